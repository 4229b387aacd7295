/**
 * Brings back what the store held at start: as sleepers where it can be, as objects
 * where there is something to do. Used by the registry alone.
 */
import type { SavedSession, SubscriptionRecord } from "../store/store.ts";
import { Session } from "./session.ts";
import type { SessionContext } from "./session-context.ts";
import type { SessionDeadlines } from "./session-deadlines.ts";
import type { SessionMemory } from "./session-memory.ts";
import { expiryMs, saveSession } from "./session-row.ts";
import type { SessionWills } from "./session-wills.ts";

interface RestorerParts {
	readonly context: SessionContext;
	readonly sessions: SessionMemory;
	readonly deadlines: SessionDeadlines;
	readonly wills: SessionWills;
	onRestored(
		session: Session,
		subscriptions: readonly SubscriptionRecord[],
	): void;
}

export class SessionRestorer {
	readonly #parts: RestorerParts;
	#overdue: Session[] = [];
	#dueWills: Session[] = [];
	/** What the start has to write: later, or on a full disk its reads would wait for that. */
	#toSave: Session[] = [];
	#toDelete: number[] = [];

	constructor(parts: RestorerParts) {
		this.#parts = parts;
	}

	/** @returns null when it sleeps, or is over and has nothing left */
	restore(saved: SavedSession): Session | null {
		const { sessions, deadlines, wills } = this.#parts;
		const hasEnded = saved.expirySeconds === 0;
		if (hasEnded && saved.queuedMessages === 0) {
			this.#toDelete.push(saved.key);
			return null;
		}
		if (this.#restoreAsleep(saved)) return null;
		const session = this.#object(saved);
		if (hasEnded) {
			// Not to be resumed: the client id may have a new session already.
			this.#overdue.push(session);
			return session;
		}
		sessions.add(session);
		if (saved.disconnectedAtMs === 0) this.#toSave.push(session);
		const elapsedMs = this.#elapsedMs(saved);
		const endInMs = expiryMs(session.expirySeconds) - elapsedMs;
		const willInMs = wills.delayMs(session) - elapsedMs;
		if (endInMs <= 0) this.#overdue.push(session);
		const isWillDue = willInMs <= 0;
		if (isWillDue) this.#dueWills.push(session);
		deadlines.set(
			session,
			isWillDue ? Number.POSITIVE_INFINITY : willInMs,
			Math.max(0, endInMs),
		);
		sessions.release(session);
		return session;
	}

	/** Once all sessions are back. */
	writeChanges(): void {
		const { store } = this.#parts.context;
		for (const key of this.#toDelete) store.deleteSession(key, null);
		for (const session of this.#toSave) saveSession(session, null);
		this.#toDelete = [];
		this.#toSave = [];
	}

	/** Sessions whose will was due before the start; once all others are back. */
	takeDueWills(): Session[] {
		const due = this.#dueWills;
		this.#dueWills = [];
		return due;
	}

	/** Sessions whose time was up before the start; once all others are back. */
	takeOverdue(): Session[] {
		const overdue = this.#overdue.filter(({ isEnded }) => !isEnded);
		this.#overdue = [];
		return overdue;
	}

	/** @returns false when it has to be an object at once: it has something to do soon */
	#restoreAsleep(saved: SavedSession): boolean {
		if (saved.disconnectedAtMs === 0 || saved.expirySeconds === 0) return false;
		const { context, sessions } = this.#parts;
		const endInMs = expiryMs(saved.expirySeconds) - this.#elapsedMs(saved);
		if (endInMs <= 0) return false;
		return sessions.restoreAsleep(saved, context.clock.monotonicMs() + endInMs);
	}

	#object(saved: SavedSession): Session {
		const { context, onRestored } = this.#parts;
		const session = new Session(
			context,
			saved.clientId,
			saved.key,
			saved.username,
			Math.max(1, saved.expirySeconds), // it has rows, so it is a persistent one
		);
		session.expirySeconds = saved.expirySeconds;
		session.disconnectedAtMs =
			saved.disconnectedAtMs === 0
				? context.clock.wallMs()
				: saved.disconnectedAtMs;
		session.lastSequence = saved.lastSequence;
		session.will = saved.will;
		if (saved.lanes.length > 0) session.lanes = saved.lanes;
		session.restoreCounts(saved.queuedMessages, saved.queuedBytes);
		for (const packetId of saved.receivedIds) session.addReceivedId(packetId);
		onRestored(session, saved.subscriptions);
		return session;
	}

	/** Since the connection ended; a wall clock that was set back makes it no less than 0. */
	#elapsedMs({ disconnectedAtMs }: SavedSession): number {
		if (disconnectedAtMs === 0) return 0;
		const { clock } = this.#parts.context;
		return Math.max(0, clock.wallMs() - disconnectedAtMs);
	}
}
