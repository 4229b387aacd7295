/** A session's own row in the store. */
import { SESSION_NEVER_EXPIRES } from "../protocol/constants.ts";
import type { CommitTicket } from "../store/commit-ticket.ts";
import type { Session } from "./session.ts";

/** Writes it; a clean session has none. */
export function saveSession(
	session: Session,
	ticket: CommitTicket | null,
): void {
	if (!session.isPersistent) return;
	session.context.store.putSession(
		{
			key: session.key,
			clientId: session.clientId,
			username: session.username,
			expirySeconds: session.expirySeconds,
			disconnectedAtMs: session.disconnectedAtMs,
			will: session.will,
		},
		ticket,
	);
}

export function expiryMs(seconds: number): number {
	return seconds === SESSION_NEVER_EXPIRES
		? Number.POSITIVE_INFINITY
		: seconds * 1000;
}
