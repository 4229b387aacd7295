/**
 * A client for the benchmarks that order each message themselves; the connection is that of
 * `broker bench`.
 */
import { BenchConnection } from "../../src/cli/bench/bench-connection.ts";
import {
	type ConnectionOwner,
	ReadBuffer,
} from "../../src/cli/bench/connection-owner.ts";
import type { QoS } from "../../src/protocol/constants.ts";
import { encodePublish } from "../../src/protocol/encode-publish.ts";

/** Told about each PUBLISH: where its payload starts in the bytes. */
export type OnPublish = (bytes: Buffer, payloadAt: number) => void;

/** All connections of the process read into it, one after the other. */
const reading = new ReadBuffer();
const KEEP_ALIVE_SECONDS = 3600;

export class LoadConnection {
	readonly #port: number;
	readonly #owner: ConnectionOwner;
	#connection: BenchConnection | null = null;

	/** @param onProgress called after each read, when there may be room to send */
	constructor(port: number, onPublish: OnPublish, onProgress: () => void) {
		this.#port = port;
		this.#owner = {
			arrived: (_, bytes, payloadAt) => onPublish(bytes, payloadAt),
			reads() {},
			settled() {},
			hasRoom: onProgress,
			lost() {},
		};
	}

	/** Messages of QoS 1 and 2 sent and not acknowledged yet. */
	get inflight(): number {
		return this.#connection?.inflight ?? 0;
	}

	/** The system has not taken all that was sent. */
	get isBlocked(): boolean {
		return this.#connection?.isBlocked ?? true;
	}

	/** @param isClean false to resume a session and to leave one behind */
	async open(clientId: string, isClean = true): Promise<void> {
		const target = { host: "127.0.0.1", port: this.#port, path: "" };
		this.#connection = new BenchConnection(
			0,
			clientId,
			target,
			3,
			reading,
			this.#owner,
		);
		await this.#connection.open({
			family: 3,
			clientId,
			cleanStart: isClean,
			keepAliveSeconds: KEEP_ALIVE_SECONDS,
			sessionExpirySeconds: 0,
			username: null,
			password: null,
		});
	}

	subscribe(filter: string, qos: QoS): Promise<void> {
		return this.subscribeAll([filter], qos);
	}

	/** In one packet. */
	async subscribeAll(filters: readonly string[], qos: QoS): Promise<void> {
		await this.#connection?.subscribe(filters, qos);
	}

	/** Writes copies of a frame; QoS 1 and 2 get ids of their own at the offset. */
	send(frame: Buffer, copies: number, idOffset: number): void {
		const connection = this.#connection;
		if (connection === null) return;
		const bytes = Buffer.allocUnsafe(frame.length * copies);
		for (let copy = 0; copy < copies; copy++) {
			const at = copy * frame.length;
			frame.copy(bytes, at);
			if (idOffset > 0) bytes.writeUInt16BE(connection.nextId(), at + idOffset);
		}
		if (idOffset > 0) connection.inflight += copies;
		connection.write(bytes);
	}

	/** Resolves when all that was sent before has been read. */
	async ping(): Promise<void> {
		await this.#connection?.roundTrip();
	}

	async close(): Promise<void> {
		await this.#connection?.close();
	}

	/** Without a goodbye. */
	async destroy(): Promise<void> {
		this.#connection?.destroy();
		await this.#connection?.close();
	}
}

/** A whole PUBLISH frame and where its packet id is; 0 without one. */
export function publishFrame(
	topic: string,
	qos: QoS,
	payload: Buffer,
): { frame: Buffer; idOffset: number; payloadOffset: number } {
	const frame = encodePublish(
		{
			topic,
			qos,
			retain: false,
			payload,
			properties: Buffer.alloc(0),
			expirySeconds: -1,
		},
		{
			family: 3,
			qos,
			retain: false,
			dup: false,
			packetId: 0,
			identifiers: [],
			expirySeconds: -1,
			topicAlias: 0,
			omitTopic: false,
		},
	);
	const payloadOffset = frame.length - payload.length;
	return { frame, idOffset: qos > 0 ? payloadOffset - 2 : 0, payloadOffset };
}
