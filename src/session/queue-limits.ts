/**
 * How much may wait for one client. A full queue never grows: it drops, counts what it
 * dropped, and says which key raises the limit, once per client and interval.
 */
import { QueuePart } from "../store/store.ts";
import type { StoredMessage } from "../store/stored-message.ts";
import type { Outlet } from "./outlet.ts";
import { isKnown } from "./queue-reader.ts";
import { restoreEntry } from "./queue-rows.ts";
import type { Session } from "./session.ts";

const TRIM_MESSAGES = 100;
const TRIM_BYTES = 256 * 1024;

/**
 * Asks whether one more message may wait. A full `fifo` queue refuses the new message;
 * a full `lifo` queue makes room by dropping its oldest one.
 */
export function hasRoomInQueue(
	session: Session,
	message: StoredMessage,
): boolean {
	const { settings } = session.context;
	const { outbound } = session;
	const inflight = outbound === null ? 0 : outbound.inflight.size;
	const maxMessages =
		outbound === null
			? settings.max_offline_messages
			: settings.max_online_messages;
	const isFull = session.queuedMessages - inflight >= maxMessages;
	const isHeavy =
		session.queuedBytes + message.payload.length > settings.max_queued_bytes;
	if (!isFull && !isHeavy) return true;
	const countKey =
		outbound === null ? "max_offline_messages" : "max_online_messages";
	session.context.counters.droppedQueueFull++;
	reportDrop(session, isFull ? countKey : "max_queued_bytes");
	if (settings.queue_type === "fifo") return false;
	// While the oldest are being dropped the queue may stand above its limit for a moment.
	const isFarAbove = session.queuedMessages - inflight >= 2 * maxMessages;
	const isTooLarge = message.payload.length > settings.max_queued_bytes;
	if (isFarAbove || isTooLarge) return false;
	dropOldest(session);
	return true;
}

function isAboveLimits(session: Session): boolean {
	const { settings } = session.context;
	const { outbound } = session;
	const inflight = outbound === null ? 0 : outbound.inflight.size;
	const maxMessages =
		outbound === null
			? settings.max_offline_messages
			: settings.max_online_messages;
	return (
		session.queuedMessages - inflight > maxMessages ||
		session.queuedBytes > settings.max_queued_bytes
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
	const { settings } = session.context;
	if (session.outbound === null) {
		return session.queuedMessages < settings.max_offline_messages;
	}
	const waiting = session.queuedMessages - session.outbound.inflight.size;
	return waiting < settings.max_online_messages;
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
	const inflight = session.outbound?.inflight.size ?? 0;
	return (
		session.queuedMessages - inflight > max_online_messages * share ||
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
