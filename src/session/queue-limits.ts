/**
 * How much may wait for one client. A full queue never grows: it drops, counts what it
 * dropped, and says which key raises the limit, once per client and interval.
 */
import type { StoredMessage } from "../store/stored-message.ts";
import { restoreEntry } from "./queue-rows.ts";
import type { Session } from "./session.ts";

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
	if (settings.queue_type === "fifo" || maxMessages === 0) return false;
	dropOldest(session);
	return true;
}

function dropOldest(session: Session): void {
	const oldest = session.outbound?.queue.take(false);
	if (oldest !== undefined) {
		session.forget(oldest);
		return;
	}
	const { store, log } = session.context;
	store.readQueue(session.key, -1, 1, 1, false).then(
		(page) => {
			for (const queued of page.messages) {
				session.forget(restoreEntry(session, queued));
			}
		},
		(error) => log.store.error(`cannot drop from a queue: ${error}`),
	);
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
