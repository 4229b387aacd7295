/**
 * All sessions by client id: opens, resumes, takes over, ends. It decides about wills
 * and expiry; what that means for routes is told to the {@link SessionObserver}.
 * Changes apply in memory at once and in order; the store follows asynchronously.
 */
import type { WillMessage } from "../protocol/messages.ts";
import { ReasonCode } from "../protocol/reason-codes.ts";
import type { CommitTicket } from "../store/commit-ticket.ts";
import type { SavedSession, SubscriptionRecord } from "../store/store.ts";
import type { InflightEntry } from "./inflight.ts";
import type { Outlet } from "./outlet.ts";
import { Session } from "./session.ts";
import type { SessionContext } from "./session-context.ts";
import type { DeadlineOwner } from "./session-deadline.ts";
import { SessionDeadlines } from "./session-deadlines.ts";
import {
	AWAY_IN_MEMORY,
	type KnownSession,
	SessionMemory,
	type SleepObserver,
} from "./session-memory.ts";
import { SessionRestorer } from "./session-restorer.ts";
import { expiryMs, saveSession } from "./session-row.ts";
import { SessionWills } from "./session-wills.ts";
import { SleepingSessions } from "./sleeping-sessions.ts";
import { TakeOverLimiter } from "./take-over-limiter.ts";

export interface SessionObserver extends SleepObserver {
	/**
	 * A session is gone: its subscriptions must match nothing from now on.
	 * @returns when its rows may be deleted; null for at once
	 */
	onSessionEnded(session: Session): Promise<void> | null;
	/** A connection was lost; `entries` is what it had in memory and has not acknowledged. */
	onDetached(session: Session, entries: readonly InflightEntry[]): void;
	publishWill(session: Session, will: WillMessage): void;
	/** A session was found at start, with these subscriptions. */
	onRestored(
		session: Session,
		subscriptions: readonly SubscriptionRecord[],
	): void;
}

export interface OpenRequest {
	readonly clientId: string;
	readonly username: string | null;
	readonly cleanStart: boolean;
	readonly expirySeconds: number;
	readonly will: WillMessage | null;
}

export interface Opened {
	readonly session: Session;
	/** The client finds its earlier state [MQTT-3.2.2-3]. */
	readonly isPresent: boolean;
}

export class SessionRegistry implements DeadlineOwner {
	readonly takeOvers: TakeOverLimiter;
	readonly #context: SessionContext;
	readonly #observer: SessionObserver;
	readonly #sessions: SessionMemory;
	readonly #deadlines: SessionDeadlines;
	#lastKey = 0;
	readonly #freeKeys: number[] = [];
	readonly #wills: SessionWills;
	readonly #restorer: SessionRestorer;

	/** @param awayInMemory sessions that stay objects without a client; others sleep */
	constructor(
		context: SessionContext,
		observer: SessionObserver,
		awayInMemory = AWAY_IN_MEMORY,
	) {
		this.#context = context;
		this.#observer = observer;
		this.takeOvers = new TakeOverLimiter(context.clock);
		const sleeping = new SleepingSessions();
		this.#deadlines = new SessionDeadlines(context, this, sleeping, () =>
			this.#sessions.inMemory(),
		);
		this.#sessions = new SessionMemory(
			context,
			observer,
			this.#deadlines,
			sleeping,
			awayInMemory,
		);
		this.#wills = new SessionWills(context, (session, will) =>
			observer.publishWill(session, will),
		);
		this.#restorer = new SessionRestorer({
			context,
			sessions: this.#sessions,
			deadlines: this.#deadlines,
			wills: this.#wills,
			onRestored: (session, subscriptions) =>
				observer.onRestored(session, subscriptions),
		});
	}

	get size(): number {
		return this.#sessions.size;
	}

	has(clientId: string): boolean {
		return this.#sessions.has(clientId);
	}

	/** Wakes it if it sleeps; see {@link awake}. */
	get(clientId: string): Session | undefined {
		return this.#sessions.get(clientId);
	}

	/** Only if it is in memory, as every session with a connection is. */
	awake(clientId: string): Session | undefined {
		return this.#sessions.awake(clientId);
	}

	/** All sessions without waking any; see {@link SessionMemory.known}. */
	all(): Generator<KnownSession> {
		return this.#sessions.known();
	}

	/** Has something done to a sleeper: `sleeper` comes from {@link SleepObserver}. */
	visit(sleeper: number, act: (session: Session) => void): void {
		this.#sessions.visit(sleeper, act);
	}

	/**
	 * Finds or makes the session for a CONNECT and puts `outlet` at its live end.
	 * @param ticket settled when the state that CONNACK reports is on disk
	 */
	open(request: OpenRequest, outlet: Outlet, ticket: CommitTicket): Opened {
		const { clientId } = request;
		const existing = this.#sessions.get(clientId);
		if (existing !== undefined && existing.outlet !== null) {
			this.#takeOver(existing, existing.outlet, request.cleanStart);
		}
		let session = this.#sessions.get(clientId);
		const isOver = session !== undefined && this.#deadlines.isOver(session);
		if (session !== undefined && (request.cleanStart || isOver)) {
			this.end(session, ticket); // [MQTT-3.1.2-4]
			session = undefined;
		}
		const isPresent = session !== undefined; // [MQTT-3.1.2-5] [v3.1.1 MQTT-3.1.2-4]
		if (session === undefined) {
			session = new Session(
				this.#context,
				clientId,
				request.expirySeconds > 0 ? this.#newKey() : 0,
				request.username,
				request.expirySeconds,
			); // [MQTT-3.1.2-6]
			this.#sessions.add(session);
		} else {
			this.#sessions.keep(session);
			this.#deadlines.cancel(session); // [MQTT-3.1.3-9]
			session.username = request.username;
			session.expirySeconds = request.expirySeconds;
		}
		session.will = request.will; // [MQTT-3.1.2-7]
		session.attach(outlet);
		saveSession(session, ticket);
		return { session, isPresent };
	}

	/**
	 * The connection is gone.
	 * @param withWill false after a DISCONNECT that discards the will [MQTT-3.14.4-3]
	 */
	close(session: Session, outlet: Outlet, withWill: boolean): void {
		if (session.outlet !== outlet) return;
		if (!withWill) session.will = null; // [MQTT-3.1.2-10]
		this.#detach(session);
		if (session.expirySeconds === 0) {
			this.end(session, null);
			return;
		}
		const isWillDue = this.#wills.delayMs(session) === 0;
		if (isWillDue) this.#wills.fire(session); // [MQTT-3.1.2-8] [v3.1.1 MQTT-3.1.2-8] [v3.1 section 3.14]
		saveSession(session, null); // [MQTT-3.1.2-23]
		const willInMs = this.#wills.delayMs(session); // Infinity when it is done
		this.#deadlines.set(session, willInMs, expiryMs(session.expirySeconds));
		this.#sessions.release(session);
	}

	/** Ends a session: its state is discarded, a will that waits is published [MQTT-4.1.0-2]. */
	end(session: Session, ticket: CommitTicket | null): void {
		this.#deadlines.cancel(session);
		this.#sessions.delete(session);
		session.discard();
		const lastWork = this.#observer.onSessionEnded(session); // [v3.1.1 MQTT-3.1.2-7]
		this.#wills.fire(session);
		if (!session.isPersistent) return;
		if (lastWork === null) {
			this.#deleteRows(session, ticket);
			return;
		}
		// Should the process end before that, the next start goes on with the work.
		session.expirySeconds = 0;
		saveSession(session, ticket);
		ticket?.hold();
		lastWork.then(() => {
			this.#deleteRows(session, ticket);
			ticket?.settle();
		});
	}

	/** Ends a session by an operator's will; a client that is connected is told. */
	remove(session: Session, ticket: CommitTicket): void {
		const { outlet } = session;
		if (outlet !== null) {
			this.#detach(session);
			outlet.terminate(
				ReasonCode.AdministrativeAction,
				"its session was removed by an operator",
			);
		}
		this.end(session, ticket);
	}

	#deleteRows(session: Session, ticket: CommitTicket | null): void {
		this.#context.store.deleteSession(session.key, ticket);
		this.#freeKeys.push(session.key);
	}

	/** Brings back a session found in the store at start. @returns null when it sleeps, or is over */
	restore(saved: SavedSession): Session | null {
		this.#lastKey = Math.max(this.#lastKey, saved.key);
		for (const { key } of saved.lanes)
			this.#lastKey = Math.max(this.#lastKey, key);
		return this.#restorer.restore(saved);
	}

	/**
	 * All sessions are back: writes what has changed, publishes wills and ends sessions whose
	 * time was up before the start, before a client can come back and stop them.
	 */
	endRestore(): void {
		this.#restorer.writeChanges();
		for (const session of this.#restorer.takeDueWills())
			this.onWillDue(session); // [MQTT-3.1.2-8]
		for (const session of this.#restorer.takeOverdue()) {
			this.onSessionExpired(session);
		}
	}

	/** At shutdown: marks what is in flight; wills of sessions that go on are kept for the next start. */
	detachAll(): void {
		for (const session of this.#sessions.inMemory()) {
			if (session.outlet === null) continue;
			this.#detach(session);
			if (session.expirySeconds === 0) this.#wills.fire(session);
			else saveSession(session, null);
		}
	}

	onWillDue(session: Session): void {
		this.#wills.fire(session);
		saveSession(session, null);
		if (session.isEnded || session.outlet !== null) return;
		this.#deadlines.willIsDone(session);
		this.#sessions.release(session);
	}

	onSleeperExpired(sleeper: number): void {
		this.onSessionExpired(this.#sessions.wake(sleeper));
	}

	onSessionExpired(session: Session): void {
		this.#context.log.access.info("session expired", {
			client: session.clientId,
			messages: session.queuedMessages,
		});
		this.end(session, null);
	}

	/** Keys of ended sessions are used again: their rows are deleted before any new ones. */
	#newKey(): number {
		return this.#freeKeys.pop() ?? ++this.#lastKey;
	}

	#takeOver(session: Session, outlet: Outlet, cleanStart: boolean): void {
		const { settings, counters } = this.#context;
		counters.takeOvers++;
		this.takeOvers.note(session.clientId);
		const isEnding = cleanStart || session.expirySeconds === 0;
		this.#detach(session);
		outlet.terminate(
			ReasonCode.SessionTakenOver, // [MQTT-3.1.4-3] [v3.1.1 MQTT-3.1.4-2]
			"another connection uses this client id",
		);
		if (settings.suppress_lwt_on_session_takeover) {
			session.will = null;
		} else if (isEnding || this.#wills.delayMs(session) === 0) {
			this.#wills.fire(session);
		}
		session.will = null;
		if (session.expirySeconds === 0) this.end(session, null);
	}

	#detach(session: Session): void {
		const entries = session.detach();
		this.#observer.onDetached(session, entries);
		for (const entry of entries) entry.message.release();
	}
}
