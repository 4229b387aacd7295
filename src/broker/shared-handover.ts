/**
 * The part of a leaving member's shared messages that is in the store only: read page
 * by page and given to members that are online, until the client comes back.
 */

import { restoreEntry } from "../session/queue-rows.ts";
import type { Session } from "../session/session.ts";
import type { SessionContext } from "../session/session-context.ts";
import { DeliveryPhase, QueuePart } from "../store/store.ts";
import type { Router } from "./router.ts";

const PAGE_MESSAGES = 100;
const PAGE_BYTES = 256 * 1024;

/** Starts in the background; does nothing when no online member could take over. */
export function handOverStored(
	context: SessionContext,
	router: Router,
	session: Session,
): void {
	if (!hasHeir(router, session)) return;
	run(context, router, session).catch((error) => {
		context.log.store.error(`cannot read a queue: ${error}`);
	});
}

async function run(
	context: SessionContext,
	router: Router,
	session: Session,
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
			const isSentQoS2 =
				queued.qos === 2 && queued.phase !== DeliveryPhase.Queued;
			if (queued.sharedGroup === null || isSentQoS2) continue;
			const entry = restoreEntry(session, queued);
			router.handOver(session, [entry]);
			entry.message.release();
		}
		if (page.isLast || !hasHeir(router, session)) return;
	}
}

function hasHeir(router: Router, session: Session): boolean {
	for (const subscription of session.subscriptions.values()) {
		if (subscription.sharedGroup === null) continue;
		const group = router.subscriptions.groupOf(subscription.filter);
		const isOnline = group?.members.some(
			(member) => member.session !== session && member.session.isReachable,
		);
		if (isOnline === true) return true;
	}
	return false;
}
