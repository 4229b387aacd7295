/**
 * Messages sent with QoS > 0 whose acknowledgement is awaited, for one connection.
 * Owned by {@link Outbound}; memory only: what has to survive is in the store.
 */
import { randomInt } from "node:crypto";
import type { QoS } from "../protocol/constants.ts";
import { CommitTicket } from "../store/commit-ticket.ts";
import { DeliveryPhase } from "../store/store.ts";
import type { StoredMessage } from "../store/stored-message.ts";

/** Whom an entry tells that the store has it and that it may go out. */
export interface InflightOwner {
	onEntryDurable(entry: InflightEntry): void;
}

/** One message on its way to one client. Holds a share of the message. */
export class InflightEntry extends CommitTicket {
	readonly message: StoredMessage;
	readonly qos: QoS;
	readonly retain: boolean;
	readonly identifiers: readonly number[];
	readonly sharedGroup: string | null;
	/** Place in the session's queue; rises in the order of sending. */
	readonly sequence: number;
	/** A row of the store holds it too. */
	isStored = false;
	/** Counted in the session's queue: its bytes; 0 for a retained message that is replayed. */
	countedBytes = 0;
	/** 0 until it is sent for the first time. */
	packetId: number;
	phase: DeliveryPhase;
	/** It has been sent, on this connection or an earlier one. */
	wasSent: boolean;
	/** A publisher's ticket that waits for the same row. */
	upstream: CommitTicket | null = null;
	/** Set while it is in a window. */
	owner: InflightOwner | null = null;
	/** Its place in the order of the window: rises from one to the next. */
	order = 0;

	constructor(
		message: StoredMessage,
		qos: QoS,
		retain: boolean,
		identifiers: readonly number[],
		sharedGroup: string | null,
		sequence: number,
	) {
		super();
		this.message = message.take();
		this.qos = qos;
		this.retain = retain;
		this.identifiers = identifiers;
		this.sharedGroup = sharedGroup;
		this.sequence = sequence;
		this.packetId = 0;
		this.phase = DeliveryPhase.Queued;
		this.wasSent = false;
	}

	protected override onDurable(): void {
		const upstream = this.upstream;
		this.upstream = null;
		if (upstream !== null) upstream.settle();
		if (this.owner !== null) this.owner.onEntryDurable(this);
	}
}

const MAX_PACKET_ID = 65_535;

/**
 * Where the packet ids of a run begin, 1 to 65535. A power cut may take from a `relaxed` store
 * which ids had been sent: a client that still holds one under QoS 2 takes the next message
 * under it for the old one. Elsewhere, that is 65,535 messages away instead of the next one.
 */
export function firstPacketId(durability: "strict" | "relaxed"): number {
	return durability === "strict" ? 1 : 1 + randomInt(MAX_PACKET_ID);
}

/** The first size of the table, a power of two; most clients never have more in flight. */
const FIRST_SLOTS = 16;

/**
 * The window: entries by packet id, in the order in which they were sent.
 *
 * Ids count up, so the lower bits of one are its place in a table a third larger than the
 * window has been: no hashing, and nothing to allocate for a message. A new id is one
 * whose place is free, so a message that is never acknowledged does not make it grow.
 */
export class Inflight {
	#slots: (InflightEntry | null)[] = [];
	#mask = -1;
	#size = 0;
	#lastPacketId: number;
	#lastOrder = 0;

	/** @param firstId the packet id of the first entry that has none; the others count up */
	constructor(firstId: number) {
		this.#lastPacketId = firstId - 1;
	}

	get size(): number {
		return this.#size;
	}

	get(packetId: number): InflightEntry | undefined {
		const entry = this.#slots[packetId & this.#mask];
		return entry != null && entry.packetId === packetId ? entry : undefined;
	}

	/**
	 * Puts an entry into the window under its own packet id, or a new one when it has
	 * none or its id is taken. The caller has checked that the window has room.
	 */
	add(entry: InflightEntry, owner: InflightOwner): void {
		if (4 * ++this.#size > 3 * this.#slots.length) this.#grow();
		if (entry.packetId === 0 || this.get(entry.packetId) !== undefined) {
			entry.packetId = this.#freePacketId();
		}
		entry.owner = owner;
		entry.order = ++this.#lastOrder;
		// Only an id of an earlier connection can find its place taken.
		while (this.#slots[entry.packetId & this.#mask] !== null) this.#grow();
		this.#slots[entry.packetId & this.#mask] = entry;
	}

	/** Nothing when it is not in the window. */
	remove(entry: InflightEntry): void {
		entry.owner = null;
		const at = entry.packetId & this.#mask;
		if (this.#slots[at] !== entry) return;
		this.#slots[at] = null;
		this.#size--;
	}

	/** In the order in which they were added. */
	entries(): InflightEntry[] {
		return this.#slots
			.filter((entry) => entry !== null)
			.sort((one, other) => one.order - other.order);
	}

	clear(): void {
		for (const entry of this.#slots) if (entry !== null) entry.owner = null;
		this.#slots = [];
		this.#mask = -1;
		this.#size = 0;
	}

	#freePacketId(): number {
		let id = this.#lastPacketId;
		do {
			id = id === MAX_PACKET_ID ? 1 : id + 1;
		} while (this.#slots[id & this.#mask] !== null); // [MQTT-2.2.1-4] [MQTT-4.3.2-1] [MQTT-4.3.3-1]
		this.#lastPacketId = id;
		return id;
	}

	/** Doubles the table: entries that were apart stay apart. */
	#grow(): void {
		const old = this.#slots;
		const length = old.length === 0 ? FIRST_SLOTS : 2 * old.length;
		this.#slots = new Array<InflightEntry | null>(length).fill(null);
		this.#mask = length - 1;
		for (const entry of old)
			if (entry !== null) this.#slots[entry.packetId & this.#mask] = entry;
	}
}
