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
	type = 0;
	packetId = 0;
	reasonCode = 0;
	/** A refusal that came from elsewhere stands. */
	isRefused = false;
	/** It leaves although what it has waited for is not settled. */
	hasGivenUp = false;
	/** When it began to wait: monotonic ms, about. */
	sinceMs = 0;
	/** A packet with more than a packet id and a reason code. */
	frame: Buffer | null = null;
	/** Runs when the acknowledgement has been written. */
	whenSent: (() => void) | null = null;
	/** Runs when a refusal comes after the packet was handled. */
	whenRefused: (() => void) | null = null;
	readonly #ring: AckRing;

	constructor(ring: AckRing) {
		super();
		this.#ring = ring;
	}

	/** As new, for another packet. */
	begin(type: number, packetId: number, sinceMs: number): void {
		this.renew();
		this.type = type;
		this.packetId = packetId;
		this.sinceMs = sinceMs;
		this.reasonCode = 0;
		this.isRefused = false;
		this.hasGivenUp = false;
		this.frame = null;
		this.whenSent = null;
		this.whenRefused = null;
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

/** The first size of the ring, a power of two. */
const FIRST_SLOTS = 4;

export class AckRing {
	readonly #sink: AckSink;
	/** Positions count up for ever; the lower bits of one are its slot. */
	#slots: (PendingAck | null)[] = [];
	#first = 0;
	#end = 0;
	#isOpen = true;
	#pendingMessages = 0;
	/** One that was answered at once: nobody else has seen it, so it is used again. */
	#spare: PendingAck | null = null;

	constructor(sink: AckSink) {
		this.#sink = sink;
	}

	get length(): number {
		return this.#end - this.#first;
	}

	/** PUBACKs and PUBCOMPs to come: messages that still count against the Receive Maximum. */
	get pendingMessages(): number {
		return this.#pendingMessages;
	}

	/**
	 * Takes the next place; the caller holds it until the packet has been handled, and
	 * must not touch it after it has settled its hold.
	 */
	add(type: number, packetId: number): PendingAck {
		const ack = this.#spare ?? new PendingAck(this);
		this.#spare = null;
		ack.begin(type, packetId, this.#sink.nowMs);
		ack.hold();
		if (endsMessage(type)) this.#pendingMessages++;
		if (this.length === this.#slots.length) this.#grow();
		this.#slots[this.#end++ & (this.#slots.length - 1)] = ack;
		return ack;
	}

	/** Those that wait since `beforeMs` or longer, in order. */
	*overdue(beforeMs: number): IterableIterator<PendingAck> {
		const waiting = Array.from({ length: this.length }, (_, index) =>
			this.#at(this.#first + index),
		);
		for (const ack of waiting) {
			if (ack.sinceMs > beforeMs) return;
			if (ack.isPending && !ack.hasGivenUp) yield ack;
		}
	}

	/** Writes what is ready at the front. */
	flush(): void {
		let written = 0;
		while (this.#isOpen && this.#first < this.#end) {
			const ack = this.#at(this.#first);
			if (ack.isPending && !ack.hasGivenUp) break;
			this.#slots[this.#first++ & (this.#slots.length - 1)] = null;
			written++;
			if (endsMessage(ack.type)) this.#pendingMessages--;
			this.#sink.writeAck(ack);
			if (ack.whenSent !== null) ack.whenSent();
			if (ack.isUnshared) this.#spare = ack;
		}
		if (written > 0 && this.#first === this.#end) this.#sink.onAcksEmpty();
	}

	/** The connection is gone: nothing is written any more. */
	close(): void {
		this.#isOpen = false;
		this.#slots = [];
		this.#first = this.#end = 0;
	}

	#at(position: number): PendingAck {
		return this.#slots[position & (this.#slots.length - 1)] as PendingAck;
	}

	#grow(): void {
		const old = this.#slots;
		const length = old.length === 0 ? FIRST_SLOTS : 2 * old.length;
		this.#slots = new Array<PendingAck | null>(length).fill(null);
		for (let position = this.#first; position < this.#end; position++)
			this.#slots[position & (length - 1)] = old[
				position & (old.length - 1)
			] as PendingAck;
	}
}

function endsMessage(type: number): boolean {
	return type === PacketType.Puback || type === PacketType.Pubcomp;
}
