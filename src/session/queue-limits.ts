/**
 * How much may wait for one client. A full queue never grows: it drops, counts what it
 * dropped, and says which key raises the limit, once per client and interval.
 */
import type { Settings } from "../config/schema.ts";
import { QueuePart } from "../store/store.ts";
import type { StoredMessage } from "../store/stored-message.ts";
import type { Outlet } from "./outlet.ts";
import { isKnown } from "./queue-reader.ts";
import { restoreEntry } from "./queue-rows.ts";
import type { Session } from "./session.ts";

const TRIM_MESSAGES = 100;
const TRIM_BYTES = 256 * 1024;

/** Whether one more message may wait. */
export const Room = {
	Yes: 0,
	/** The message is dropped. */
	No: 1,
	/** The message is dropped, and its publisher is to know. */
	Rejected: 2,
} as const;
export type Room = (typeof Room)[keyof typeof Room];

/**
 * Asks whether one more message may wait; a full queue makes room by dropping its
 * oldest message, or not, as `queue_overflow` says.
 */
export function roomInQueue(session: Session, message: StoredMessage): Room {
	const key = exhaustedKey(session, message);
	if (key === null) return Room.Yes;
	const { settings, counters } = session.context;
	counters.droppedQueueFull++;
	reportDrop(session, key);
	switch (overflowOf(settings)) {
		case "drop_newest":
			return Room.No;
		case "reject":
			if (!session.isPersistent) return Room.No;
			counters.rejectedQueueFull++;
			return Room.Rejected;
		default:
			return makeRoom(session, message, key) ? Room.Yes : Room.No;
	}
}

function overflowOf(
	settings: Settings,
): Exclude<Settings["queue_overflow"], "auto"> {
	const { queue_overflow, queue_type } = settings;
	if (queue_overflow !== "auto") return queue_overflow;
	return queue_type === "fifo" ? "drop_newest" : "drop_oldest";
}

/** The limit that one more message would pass; null when there is room. */
function exhaustedKey(session: Session, message: StoredMessage): string | null {
	const { settings, counters } = session.context;
	const bytes = message.payloadLength;
	if (waitingMessages(session) >= maxMessages(session)) {
		return session.outbound === null
			? "max_offline_messages"
			: "max_online_messages";
	}
	if (session.queuedBytes + bytes > settings.max_queued_bytes)
		return "max_queued_bytes";
	if (counters.queuedMessages >= settings.max_queued_messages_total)
		return "max_queued_messages_total";
	if (counters.queuedBytes + bytes > settings.max_queued_bytes_total)
		return "max_queued_bytes_total";
	// What waits for a clean session is in memory only: nothing else would stop it there.
	const { messageBudget } = session.context;
	if (!session.isPersistent && !messageBudget.hasRoom(bytes))
		return "memory_limit";
	return null;
}

/** @returns false when dropping what this session has does not help */
function makeRoom(
	session: Session,
	message: StoredMessage,
	key: string,
): boolean {
	const { settings } = session.context;
	const isOfAll = key.endsWith("_total") || key === "memory_limit";
	if (isOfAll && waitingMessages(session) === 0) return false;
	// While the oldest are being dropped the queue may stand above its limit for a moment.
	const isFarAbove = waitingMessages(session) >= 2 * maxMessages(session);
	const isTooLarge = message.payloadLength > settings.max_queued_bytes;
	if (isFarAbove || isTooLarge) return false;
	dropOldest(session);
	return true;
}

/** What waits behind the window. */
function waitingMessages(session: Session): number {
	return session.queuedMessages - (session.outbound?.inflight.size ?? 0);
}

function maxMessages(session: Session): number {
	const { settings } = session.context;
	return session.outbound === null
		? settings.max_offline_messages
		: settings.max_online_messages;
}

function isAboveLimits(session: Session): boolean {
	const { settings, counters } = session.context;
	return (
		waitingMessages(session) > maxMessages(session) ||
		session.queuedBytes > settings.max_queued_bytes ||
		counters.queuedMessages > settings.max_queued_messages_total ||
		counters.queuedBytes > settings.max_queued_bytes_total
	);
}

function dropOldest(session: Session): void {
	if (session.isPersistent) {
		if (session.isTrimming) return;
		session.isTrimming = true;
		dropOldestRows(session).then(
			() => {
				session.isTrimming = false;
			},
			(error) => {
				session.isTrimming = false;
				session.context.log.store.error(`cannot drop from a queue: ${error}`);
			},
		);
		return;
	}
	const oldest = session.outbound?.queue.take(false);
	if (oldest !== undefined) session.forget(oldest);
}

/** One reader for each session, until it is within its limits again. */
async function dropOldestRows(session: Session): Promise<void> {
	const { store } = session.context;
	let after = -1;
	for (;;) {
		const page = await store.readQueue(
			session.key,
			after,
			TRIM_MESSAGES,
			TRIM_BYTES,
			QueuePart.Waiting,
		);
		for (const queued of page.messages) {
			after = queued.sequence;
			if (session.isEnded || !isAboveLimits(session)) return;
			const { outbound } = session;
			const isLoaded = outbound !== null && isKnown(outbound, queued.sequence);
			if (!isLoaded) {
				session.forget(restoreEntry(session, queued));
				continue;
			}
			const entry = outbound.queue.remove(queued.sequence);
			if (entry !== undefined) session.forget(entry); // in flight: stays
		}
		if (page.isLast || session.isEnded) return;
	}
}

function reportDrop(session: Session, key: string): void {
	const { log, logLimit } = session.context;
	const suppressed = logLimit.check(`queue ${session.clientId}`);
	if (suppressed < 0) return;
	log.resource.warning("queue full, message dropped", {
		client: session.clientId,
		queued: session.queuedMessages,
		bytes: session.queuedBytes,
		dropped_since: suppressed + 1,
		raise: key,
	});
}

/** Without counting or dropping anything: would one more message find room? */
export function canTakeMessage(session: Session): boolean {
	return waitingMessages(session) < maxMessages(session);
}

/** Half full: time for publishers to wait, if the client takes its messages at all. */
export function isFilling(session: Session): boolean {
	return isAboveShare(session, 1 / 2);
}

/** Publishers may go on. */
export function hasEmptied(session: Session): boolean {
	return !isAboveShare(session, 1 / 4);
}

function isAboveShare(session: Session, share: number): boolean {
	const { max_online_messages, max_queued_bytes } = session.context.settings;
	return (
		waitingMessages(session) > max_online_messages * share ||
		session.queuedBytes > max_queued_bytes * share
	);
}

/** A QoS 0 message was dropped because the client does not read fast enough. */
export function reportSlowReader(session: Session, outlet: Outlet): void {
	const { log, logLimit } = session.context;
	const suppressed = logLimit.check(`slow ${session.clientId}`);
	if (suppressed < 0) return;
	log.resource.warning("slow reader, QoS 0 message dropped", {
		client: session.clientId,
		address: outlet.peer,
		dropped_since: suppressed + 1,
		raise: "outbox_high_water",
	});
}
