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
import { Ring } from "../platform/ring.ts";
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

export class AckRing {
	readonly #sink: AckSink;
	readonly #acks = new Ring<PendingAck>();
	#isOpen = true;
	#pendingMessages = 0;
	/** One that was answered at once: nobody else has seen it, so it is used again. */
	#spare: PendingAck | null = null;

	constructor(sink: AckSink) {
		this.#sink = sink;
	}

	get length(): number {
		return this.#acks.length;
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
		this.#acks.push(ack);
		return ack;
	}

	/** Those that wait since `beforeMs` or longer, in order. */
	*overdue(beforeMs: number): IterableIterator<PendingAck> {
		for (const ack of this.#acks.toArray()) {
			if (ack.sinceMs > beforeMs) return;
			if (ack.isPending && !ack.hasGivenUp) yield ack;
		}
	}

	/** Writes what is ready at the front. */
	flush(): void {
		let written = 0;
		while (this.#isOpen) {
			const ack = this.#acks.at(0);
			if (ack === undefined || (ack.isPending && !ack.hasGivenUp)) break;
			this.#acks.shift();
			written++;
			if (endsMessage(ack.type)) this.#pendingMessages--;
			this.#sink.writeAck(ack);
			if (ack.whenSent !== null) ack.whenSent();
			if (ack.isUnshared) this.#spare = ack;
		}
		if (written > 0 && this.#acks.length === 0) this.#sink.onAcksEmpty();
	}

	/** The connection is gone: nothing is written any more. */
	close(): void {
		this.#isOpen = false;
		this.#acks.clear();
	}
}

function endsMessage(type: number): boolean {
	return type === PacketType.Puback || type === PacketType.Pubcomp;
}
