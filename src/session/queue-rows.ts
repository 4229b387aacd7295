/**
 * Between a session's entries in memory and their rows in the store. Only persistent
 * sessions have rows; the store commits them later, in the order of the calls.
 */
import type { CommitTicket } from "../store/commit-ticket.ts";
import {
	DeliveryPhase,
	type QueuedMessage,
	type RetainedRecord,
} from "../store/store.ts";
import { StoredMessage } from "../store/stored-message.ts";
import { InflightEntry } from "./inflight.ts";
import type { Session } from "./session.ts";
import type { Subscription } from "./subscription.ts";

/** What a message counts in its queue: the bytes of topic, payload and properties. */
export function countedBytes(message: StoredMessage): number {
	return message.topic.length + message.bodyLength;
}

/**
 * Writes an entry.
 * @param ticket the publisher's; settled with the commit
 * @param isCancellable its acknowledgement may come before it is written (QoS 1 only)
 * @returns true when the entry has to wait for the commit before it is sent (QoS 2)
 */
export function storeEntry(
	session: Session,
	entry: InflightEntry,
	ticket: CommitTicket | null,
	isCancellable = false,
): boolean {
	if (!session.isPersistent) return false;
	entry.isStored = true;
	const waits = entry.qos === 2 && entry.phase !== DeliveryPhase.Queued;
	if (!waits) {
		putRow(session, entry, DeliveryPhase.Queued, 0, ticket, isCancellable);
		return false;
	}
	entry.hold();
	if (ticket !== null) {
		ticket.hold();
		entry.upstream = ticket;
	}
	putRow(session, entry, DeliveryPhase.Sent, entry.packetId, entry);
	entry.settle();
	return true;
}

/**
 * The connection is lost with this entry in flight: marks the row with the packet id,
 * so that it can be sent again under the same one [MQTT-4.4.0-1].
 */
export function parkEntry(session: Session, entry: InflightEntry): void {
	if (!session.isPersistent) return;
	const { store } = session.context;
	if (!entry.isStored) {
		// A retained message that was being replayed: from now on it is owed like any other.
		entry.isStored = true;
		session.countIn(entry);
		putRow(session, entry, entry.phase, entry.packetId, null);
	} else if (entry.qos === 1) {
		store.markSent(session.key, entry.sequence, entry.packetId, null);
	}
}

/** A message of the session's queue as the store gave it back. */
export function restoreEntry(
	session: Session,
	queued: QueuedMessage,
): InflightEntry {
	const { messageBudget } = session.context;
	const entry = new InflightEntry(
		StoredMessage.adopt(
			queued.message,
			monotonicExpiry(session, queued.expiresAtWallMs),
			messageBudget,
		),
		queued.qos,
		queued.retain,
		queued.identifiers,
		queued.sharedGroup,
		queued.sequence,
	);
	entry.phase = queued.phase;
	entry.packetId = queued.packetId;
	entry.isStored = true;
	entry.countedBytes = countedBytes(entry.message);
	return entry;
}

/** A retained message for a new subscription: in no queue, and in the store only if need be. */
export function replayEntry(
	session: Session,
	subscription: Subscription,
	record: RetainedRecord,
): InflightEntry {
	const message = StoredMessage.adopt(
		record.message,
		monotonicExpiry(session, record.expiresAtWallMs),
		session.context.messageBudget,
	);
	return new InflightEntry(
		message,
		session.grantedQoS(message.qos, subscription),
		true, // [MQTT-3.3.1-9] [v3.1.1 MQTT-3.3.1-8]
		subscription.identifiers,
		null,
		session.nextSequence(),
	);
}

/** Wall time in ms, 0 for never, as time on the monotonic clock; Infinity for never. */
function monotonicExpiry(session: Session, wallMs: number): number {
	if (wallMs === 0) return Number.POSITIVE_INFINITY;
	const { clock } = session.context;
	return clock.monotonicMs() + (wallMs - clock.wallMs());
}

function putRow(
	session: Session,
	entry: InflightEntry,
	phase: DeliveryPhase,
	packetId: number,
	ticket: CommitTicket | null,
	isCancellable = false,
): void {
	const { store, clock } = session.context;
	const { message } = entry;
	const expiresAtWallMs =
		message.expirySeconds < 0
			? 0
			: clock.wallMs() + (message.expiresAtMs - clock.monotonicMs());
	const row = {
		qos: entry.qos,
		retain: entry.retain,
		identifiers: entry.identifiers,
		sharedGroup: entry.sharedGroup,
		phase,
		packetId,
	};
	store.enqueue(
		session.key,
		entry.sequence,
		message,
		row,
		expiresAtWallMs,
		ticket,
		isCancellable,
	);
}
