/**
 * Acknowledgements on their way to one client, in the order of the packets they
 * answer. One that waits for the store holds back those behind it, so PUBACKs leave in
 * the order of their PUBLISHes and PUBRECs likewise [MQTT-4.6.0-2] [MQTT-4.6.0-3].
 *
 *     PUBLISH 1   PUBLISH 2   SUBSCRIBE   PUBLISH 3
 *         v           v           v           v
 *     +--------+  +--------+  +--------+  +--------+
 *     | ready  |  | waits  |  | ready  |  | waits  |      1 leaves now, the others
 *     +--------+  +--------+  +--------+  +--------+      when 2 is on disk
 *
 * Bounded: the connection stops reading when {@link AckRing.length} reaches its limit.
 */
import { PacketType } from "../protocol/constants.ts";
import type { ReasonCode } from "../protocol/reason-codes.ts";
import { RefusableTicket } from "../session/refusable-ticket.ts";

/** Who writes the acknowledgements. */
export interface AckSink {
	/** Monotonic ms, about: what is added is dated by it. */
	readonly nowMs: number;
	writeAck(ack: PendingAck): void;
	/** Everything that waited has left. */
	onAcksEmpty(): void;
}

/** One acknowledgement; ready when all it waits for is settled. */
export class PendingAck extends RefusableTicket {
	/** First byte of the packet; 0 when `frame` holds all of it. */
	readonly type: number;
	readonly packetId: number;
	reasonCode = 0;
	/** A refusal that came from elsewhere stands. */
	isRefused = false;
	/** It leaves although what it has waited for is not settled. */
	hasGivenUp = false;
	/** When it began to wait: monotonic ms, about. */
	readonly sinceMs: number;
	/** A packet with more than a packet id and a reason code. */
	frame: Buffer | null = null;
	/** Runs when the acknowledgement has been written. */
	whenSent: (() => void) | null = null;
	/** Runs when a refusal comes after the packet was handled. */
	whenRefused: (() => void) | null = null;
	readonly #ring: AckRing;

	constructor(ring: AckRing, type: number, packetId: number, sinceMs: number) {
		super();
		this.sinceMs = sinceMs;
		this.#ring = ring;
		this.type = type;
		this.packetId = packetId;
	}

	override refuse(reason: ReasonCode): void {
		this.isRefused = true;
		this.reasonCode = reason;
		if (this.whenRefused !== null) this.whenRefused();
	}

	protected override onDurable(): void {
		this.#ring.flush();
	}
}

export class AckRing {
	readonly #sink: AckSink;
	#acks: PendingAck[] = [];
	#first = 0;
	#isOpen = true;
	#pendingMessages = 0;

	constructor(sink: AckSink) {
		this.#sink = sink;
	}

	get length(): number {
		return this.#acks.length - this.#first;
	}

	/** PUBACKs and PUBCOMPs to come: messages that still count against the Receive Maximum. */
	get pendingMessages(): number {
		return this.#pendingMessages;
	}

	/** Takes the next place; the caller holds it until the packet has been handled. */
	add(type: number, packetId: number): PendingAck {
		const ack = new PendingAck(this, type, packetId, this.#sink.nowMs);
		ack.hold();
		if (endsMessage(type)) this.#pendingMessages++;
		this.#acks.push(ack);
		return ack;
	}

	/** Those that wait since `beforeMs` or longer, in order. */
	*overdue(beforeMs: number): IterableIterator<PendingAck> {
		for (const ack of this.#acks.slice(this.#first)) {
			if (ack.sinceMs > beforeMs) return;
			if (ack.isPending && !ack.hasGivenUp) yield ack;
		}
	}

	/** Writes what is ready at the front. */
	flush(): void {
		let written = 0;
		while (this.#isOpen && this.#first < this.#acks.length) {
			const ack = this.#acks[this.#first] as PendingAck;
			if (ack.isPending && !ack.hasGivenUp) break;
			this.#first++;
			written++;
			if (endsMessage(ack.type)) this.#pendingMessages--;
			this.#sink.writeAck(ack);
			if (ack.whenSent !== null) ack.whenSent();
		}
		if (written === 0) return;
		if (this.#first === this.#acks.length) {
			this.#acks.length = 0;
			this.#first = 0;
			this.#sink.onAcksEmpty();
		} else if (this.#first > 1024) {
			this.#acks = this.#acks.slice(this.#first);
			this.#first = 0;
		}
	}

	/** The connection is gone: nothing is written any more. */
	close(): void {
		this.#isOpen = false;
		this.#acks = [];
		this.#first = 0;
	}
}

function endsMessage(type: number): boolean {
	return type === PacketType.Puback || type === PacketType.Pubcomp;
}
