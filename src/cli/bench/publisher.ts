/**
 * Sends messages of one publisher: their frames are encoded once, side by side in a block;
 * for each message only its number, its time and its packet id are written in place.
 *
 *     block  [ frame of topic 0 ][ frame of topic 1 ] ... [ frame of topic 0 ] ...
 *              └ next                  one write ───────────┘
 */
import type { QoS } from "../../protocol/constants.ts";
import { encodePublish } from "../../protocol/encode-publish.ts";
import type { Family } from "../../protocol/messages.ts";
import { AckTimes } from "./ack-times.ts";
import type { BenchConnection } from "./bench-connection.ts";
import { markPayload } from "./stamp.ts";

const FILLER = "abcdefghijklmnopqrstuvwxyz";

export interface PublisherOptions {
	readonly qos: QoS;
	readonly retain: boolean;
	readonly family: Family;
	readonly payloadBytes: number;
	/** Unacknowledged messages at most. */
	readonly window: number;
	/** In one write, at most; one message always fits. */
	readonly burst: number;
	readonly burstBytes: number;
	/** Remember when each was due until it is acknowledged. */
	readonly timesAcks: boolean;
}

export class Publisher {
	readonly connection: BenchConnection;
	/** Messages sent since the beginning. */
	sent = 0;
	/** All it may send; Infinity for no end. */
	most = Number.POSITIVE_INFINITY;
	/** null when nobody asks how long an acknowledgement takes. */
	readonly ackTimes: AckTimes | null;
	readonly #window: number;
	readonly #qos: QoS;
	readonly #block: Buffer;
	readonly #view: DataView;
	/** Where each frame begins; one more for the end. */
	readonly #starts: Int32Array;
	readonly #payloads: Int32Array;
	readonly #frames: number;
	/** From the packet id to the payload: in MQTT 5 a byte that says "no properties" is between. */
	readonly #idDistance: number;
	readonly #isUniform: boolean;
	/** Messages in one write. */
	readonly #mostPerWrite: number;
	#next = 0;

	/** @param topics it sends to in turn */
	constructor(
		connection: BenchConnection,
		topics: readonly string[],
		options: PublisherOptions,
	) {
		this.connection = connection;
		this.#qos = options.qos;
		this.#window = Math.min(options.window, connection.receiveMaximum);
		this.ackTimes =
			options.timesAcks && options.qos > 0 ? new AckTimes(this.#window) : null;
		const payload = Buffer.alloc(options.payloadBytes, FILLER);
		markPayload(payload, 0, connection.index);
		const frames = topics.map((topic) => frameOf(topic, payload, options));
		this.#mostPerWrite = mostInOneWrite(frames, options, this.#window);
		const rounds = Math.ceil(this.#mostPerWrite / frames.length);
		const all = Array.from({ length: rounds }, () => frames).flat();
		this.#frames = all.length;
		this.#isUniform = frames.length === 1;
		this.#idDistance = options.family === 5 ? 3 : 2;
		this.#block = Buffer.concat(all);
		this.#view = new DataView(
			this.#block.buffer,
			this.#block.byteOffset,
			this.#block.length,
		);
		this.#starts = new Int32Array(all.length + 1);
		this.#payloads = new Int32Array(all.length);
		for (const [index, { length }] of all.entries()) {
			const end = (this.#starts[index] as number) + length;
			this.#starts[index + 1] = end;
			this.#payloads[index] = end - payload.length;
		}
	}

	/** How many it may send now, by what is on its way. */
	room(): number {
		const { connection, most, sent } = this;
		if (connection.isBlocked || !connection.isOpen) return 0;
		const left = most - sent;
		if (this.#qos === 0) return left;
		return Math.min(left, this.#window - connection.inflight);
	}

	/**
	 * Sends `count` messages, or as many as one write holds.
	 * @param dueMs when they were due, as stampMs()
	 * @returns how many
	 */
	send(count: number, dueMs: number): number {
		const first = this.#next;
		const most = Math.min(count, this.#mostPerWrite);
		const end = Math.min(first + most, this.#frames);
		const [view, payloads] = [this.#view, this.#payloads];
		for (let frame = first; frame < end; frame++) {
			const at = payloads[frame] as number;
			view.setUint32(at + 4, ++this.sent);
			view.setFloat64(at + 8, dueMs);
		}
		if (this.#qos > 0) this.#setIds(first, end, dueMs);
		this.#next = this.#isUniform || end === this.#frames ? 0 : end;
		this.connection.write(
			this.#block.subarray(
				this.#starts[first] as number,
				this.#starts[end] as number,
			),
		);
		return end - first;
	}

	#setIds(first: number, end: number, dueMs: number): void {
		const { connection, ackTimes } = this;
		for (let frame = first; frame < end; frame++) {
			const id = connection.nextId();
			const at = (this.#payloads[frame] as number) - this.#idDistance;
			this.#view.setUint16(at, id);
			if (ackTimes !== null) ackTimes.sent(id, dueMs);
		}
		connection.inflight += end - first;
	}
}

function frameOf(
	topic: string,
	payload: Buffer,
	{ qos, retain, family }: PublisherOptions,
): Buffer {
	const properties = Buffer.alloc(0);
	return encodePublish(
		{ topic, qos, retain, payload, properties, expirySeconds: -1 },
		{
			family,
			qos,
			retain,
			dup: false,
			packetId: 0,
			identifiers: [],
			expirySeconds: -1,
			topicAlias: 0,
			omitTopic: false,
		},
	);
}

function mostInOneWrite(
	frames: readonly Buffer[],
	{ qos, burst, burstBytes }: PublisherOptions,
	window: number,
): number {
	const longest = Math.max(...frames.map(({ length }) => length));
	const byBytes = Math.floor(burstBytes / longest);
	return Math.max(1, Math.min(burst, byBytes, qos > 0 ? window : burst));
}
