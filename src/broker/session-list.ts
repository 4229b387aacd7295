/**
 * The sessions as an operator sees them: the largest first, a page at a time. All of
 * them are looked at for each page, in slices, so that a crowd holds nothing up; no more
 * than two pages are in memory.
 */
import { SESSION_NEVER_EXPIRES } from "../protocol/constants.ts";
import type { KnownSession } from "../session/session-memory.ts";

/** Sessions looked at in one turn of the event loop: about a millisecond. */
const SLICE = 2000;

export interface SessionView {
	readonly clientId: string;
	readonly username: string | null;
	readonly isConnected: boolean;
	/** `192.168.1.7:50312`; null while away. */
	readonly peer: string | null;
	/** Wall time at which the connection ended, ISO 8601; null while connected. */
	readonly disconnectedAt: string | null;
	/** How long it outlives its connection, s; null for ever. */
	readonly expirySeconds: number | null;
	/** Messages with QoS 1 and 2 owed to it, in flight or waiting. */
	readonly queuedMessages: number;
	readonly queuedBytes: number;
	readonly subscriptions: number;
	readonly hasWill: boolean;
	/** Its state is in the store. */
	readonly isPersistent: boolean;
}

export interface SessionPage {
	/** All sessions, not only those of this page. */
	readonly total: number;
	readonly sessions: readonly SessionView[];
	/** What `after` has to be for the next page; null when this is the last one. */
	readonly next: string | null;
}

/** A place in the order: by bytes falling, then by client id. */
interface Place {
	readonly bytes: number;
	readonly clientId: string;
}

/**
 * @param limit sessions on the page
 * @param after `next` of the page before; null for the first
 */
export async function listSessions(
	sessions: Iterable<KnownSession>,
	total: number,
	limit: number,
	after: string | null,
): Promise<SessionPage> {
	const from = after === null ? null : parsePlace(after);
	let found: KnownSession[] = [];
	let looked = 0;
	for (const session of sessions) {
		if (from === null || isBehind(session, from)) found.push(session);
		if (found.length >= 2 * (limit + 1)) found = first(found, limit + 1);
		if (++looked % SLICE === 0) await nextTurn();
	}
	found = first(found, limit + 1);
	const page = found.slice(0, limit);
	const last = page.at(-1);
	return {
		total,
		sessions: page.map(viewOf),
		next:
			found.length > limit && last !== undefined
				? `${last.queuedBytes}:${last.clientId}`
				: null,
	};
}

function viewOf(session: KnownSession): SessionView {
	const { outlet, expirySeconds } = session;
	return {
		clientId: session.clientId,
		username: session.username,
		isConnected: outlet !== null,
		peer: outlet?.peer ?? null,
		disconnectedAt:
			outlet === null ? new Date(session.disconnectedAtMs).toISOString() : null,
		expirySeconds:
			expirySeconds === SESSION_NEVER_EXPIRES ? null : expirySeconds,
		queuedMessages: session.queuedMessages,
		queuedBytes: session.queuedBytes,
		subscriptions: session.subscriptions.size,
		hasWill: session.will !== null,
		isPersistent: session.isPersistent,
	};
}

/** In order; one that fell asleep meanwhile was met twice. */
function first(
	sessions: readonly KnownSession[],
	count: number,
): KnownSession[] {
	return sessions
		.toSorted((a, b) => compare(placeOf(a), placeOf(b)))
		.filter(({ clientId }, at, all) => clientId !== all[at - 1]?.clientId)
		.slice(0, count);
}

function isBehind(session: KnownSession, place: Place): boolean {
	return compare(placeOf(session), place) > 0;
}

function placeOf({ queuedBytes, clientId }: KnownSession): Place {
	return { bytes: queuedBytes, clientId };
}

function compare(a: Place, b: Place): number {
	if (a.bytes !== b.bytes) return b.bytes - a.bytes;
	if (a.clientId === b.clientId) return 0;
	return a.clientId < b.clientId ? -1 : 1;
}

function parsePlace(text: string): Place {
	const colon = text.indexOf(":");
	return {
		bytes: Number(text.slice(0, colon)),
		clientId: text.slice(colon + 1),
	};
}

function nextTurn(): Promise<void> {
	return new Promise((resolve) => setImmediate(resolve));
}
