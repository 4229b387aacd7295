/**
 * The part of a leaving member's shared messages that is in the store only: read page
 * by page and given to other members, until the client comes back.
 */
import { restoreEntry } from "../session/queue-rows.ts";
import type { Session } from "../session/session.ts";
import type { SessionContext } from "../session/session-context.ts";
import { QueuePart } from "../store/store.ts";
import type { Router } from "./router.ts";

const PAGE_MESSAGES = 100;
const PAGE_BYTES = 256 * 1024;

/** The shared filters of a session for which somebody else could take messages. */
export function sharedFilters(session: Session): string[] {
	const filters: string[] = [];
	for (const { filter, sharedGroup } of session.subscriptions.values()) {
		if (sharedGroup !== null) filters.push(filter);
	}
	return filters;
}

/**
 * Gives away what is in the store, in the background.
 * @param filters shared ones; see {@link sharedFilters}
 * @returns null when there is nobody to give it to
 */
export function handOverStored(
	context: SessionContext,
	router: Router,
	session: Session,
	filters: readonly string[],
): Promise<void> | null {
	if (!router.hasHeir(session, filters)) return null;
	return run(context, router, session, filters).catch((error) => {
		context.log.store.error(`cannot read a queue: ${error}`);
	});
}

async function run(
	context: SessionContext,
	router: Router,
	session: Session,
	filters: readonly string[],
): Promise<void> {
	const { epoch } = session;
	let after = -1;
	for (;;) {
		const page = await context.store.readQueue(
			session.key,
			after,
			PAGE_MESSAGES,
			PAGE_BYTES,
			QueuePart.All,
		);
		if (session.epoch !== epoch) return; // the client is back, or the session has ended
		for (const queued of page.messages) {
			after = queued.sequence;
			if (queued.sharedGroup === null) continue;
			const entry = restoreEntry(session, queued);
			router.handOver(session, [entry]);
			entry.message.release();
		}
		if (page.isLast || !router.hasHeir(session, filters)) return;
	}
}
