import type { ApplicationMessage } from "../protocol/messages.ts";
import type { CommitTicket } from "./commit-ticket.ts";
import { packFlags } from "./message-codec.ts";
import type { QueueEntry, SessionRecord } from "./store.ts";

/**
 * One write on its way to the worker. Kept as an object until its batch is dispatched,
 * so that a later change can still take it back; then encoded (batch-codec.ts).
 *
 * One class for all kinds: a batch is walked by one loop that sees one object shape.
 */

export const OperationKind = {
	PutSession: 1,
	DeleteSession: 2,
	PutSubscription: 3,
	DeleteSubscription: 4,
	PutReceivedId: 5,
	DeleteReceivedId: 6,
	Enqueue: 7,
	MarkSent: 8,
	MarkReleased: 9,
	Dequeue: 10,
	PutRetained: 11,
	DeleteRetained: 12,
	PutValue: 13,
	PutLane: 14,
	DeleteLane: 15,
	/** An Enqueue in the place of what waits with its topic. */
	Replace: 16,
} as const;
export type OperationKind = (typeof OperationKind)[keyof typeof OperationKind];

/** Entries of its session that hope for an acknowledgement have to be written before it. */
export function endsWaiting(kind: OperationKind): boolean {
	switch (kind) {
		case OperationKind.Enqueue:
		case OperationKind.Replace:
		case OperationKind.DeleteSession:
		case OperationKind.DeleteLane:
			return true;
		default:
			return false;
	}
}

/** Where the body of a queued message is stored. */
export const BodyPlace = {
	/** In the queue's own row: it has one owner. */
	Inline: 0,
	/** In a row of its own, which this operation creates. */
	FirstOfShared: 1,
	/** In the row that the previous FirstOfShared created. */
	NextOfShared: 2,
} as const;
export type BodyPlace = (typeof BodyPlace)[keyof typeof BodyPlace];

/** What the key of a queue row has room for (tables/queue.ts). */
export const LAST_KEY = 2 ** 26 - 1;
export const LAST_SEQUENCE = 2 ** 37 - 1;

export function checkKey(key: number): void {
	if (key < 1 || key > LAST_KEY)
		throw new RangeError(`a session's key is 1 to ${LAST_KEY}, not ${key}`);
}

export function checkSequence(sequence: number): void {
	if (sequence < 1 || sequence > LAST_SEQUENCE)
		throw new RangeError(
			`a sequence is 1 to ${LAST_SEQUENCE}, not ${sequence}`,
		);
}

const NO_IDENTIFIERS: readonly number[] = [];

export class Operation {
	readonly kind: OperationKind;
	readonly ticket: CommitTicket | null;
	/** The session's key; 0 for operations that belong to none. */
	readonly key: number;
	/** Enqueue, MarkSent, MarkReleased, Dequeue. */
	sequence = 0;
	/** The packet id where there is one; PutSubscription: the identifier; PutLane: the session; Dequeue: how many more. */
	number = 0;
	/** Enqueue: packed entry flags; PutSubscription: packed options; PutLane: 1 for by topic. */
	flags = 0;
	/** Enqueue: the delivery phase. */
	phase = 0;
	expiresAtWallMs = 0;
	place: BodyPlace = BodyPlace.Inline;
	message: ApplicationMessage | null = null;
	identifiers: readonly number[] = NO_IDENTIFIERS;
	/** Shared group, filter, topic, a lane's name, or a value's space. */
	text: string | null = null;
	/** A value's name. */
	name = "";
	value: Buffer | null = null;
	session: SessionRecord | null = null;
	/** Counts up with each operation that is put; a batch is written in this order. */
	order = 0;
	/** A cancellable entry: monotonic time at which it was put. */
	putAtMs = 0;
	/** What it was counted with in the bytes that wait. */
	bytes = 0;

	constructor(kind: OperationKind, key: number, ticket: CommitTicket | null) {
		this.kind = kind;
		this.key = key;
		this.ticket = ticket;
	}

	/** What the row of a queued message holds beside the message. */
	takeEntry(entry: QueueEntry, expiresAtWallMs: number): void {
		this.flags = packFlags(entry.qos, entry.retain);
		this.phase = entry.phase;
		this.number = entry.packetId;
		this.identifiers = entry.identifiers;
		this.text = entry.sharedGroup;
		this.expiresAtWallMs = expiresAtWallMs;
	}

	/** A retained write without the one who waits for it. */
	withoutTicket(): Operation {
		if (this.ticket === null) return this;
		const copy = new Operation(this.kind, this.key, null);
		copy.text = this.text;
		copy.message = this.message;
		copy.expiresAtWallMs = this.expiresAtWallMs;
		return copy;
	}
}

/** @throws RangeError */
export function enqueueOperation(
	kind: typeof OperationKind.Enqueue | typeof OperationKind.Replace,
	key: number,
	sequence: number,
	ticket: CommitTicket | null,
): Operation {
	checkKey(key);
	checkSequence(sequence);
	const operation = new Operation(kind, key, ticket);
	operation.sequence = sequence;
	return operation;
}
