/**
 * All sessions by client id: opens, resumes, takes over, ends. It decides about wills
 * and expiry; what that means for routes is told to the {@link SessionObserver}.
 * Changes apply in memory at once and in order; the store follows asynchronously.
 */
import { SESSION_NEVER_EXPIRES } from "../protocol/constants.ts";
import type { WillMessage } from "../protocol/messages.ts";
import { ReasonCode } from "../protocol/reason-codes.ts";
import type { CommitTicket } from "../store/commit-ticket.ts";
import type { SavedSession } from "../store/store.ts";
import type { InflightEntry } from "./inflight.ts";
import type { Outlet } from "./outlet.ts";
import { Session } from "./session.ts";
import type { SessionContext } from "./session-context.ts";
import type { DeadlineOwner } from "./session-deadline.ts";
import { SessionDeadlines } from "./session-deadlines.ts";
import { TakeOverLimiter } from "./take-over-limiter.ts";

export interface SessionObserver {
	/**
	 * A session is gone: its subscriptions must match nothing from now on.
	 * @returns when its rows may be deleted; null for at once
	 */
	onSessionEnded(session: Session): Promise<void> | null;
	/** A connection was lost; `entries` is what it had in memory and has not acknowledged. */
	onDetached(session: Session, entries: readonly InflightEntry[]): void;
	publishWill(session: Session, will: WillMessage): void;
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
	readonly #sessions = new Map<string, Session>(); // [MQTT-3.1.3-2]
	readonly #deadlines: SessionDeadlines;
	#lastKey = 0;
	readonly #freeKeys: number[] = [];
	readonly #overdue: Session[] = [];
	readonly #dueWills: Session[] = [];

	constructor(context: SessionContext, observer: SessionObserver) {
		this.#context = context;
		this.#observer = observer;
		this.takeOvers = new TakeOverLimiter(context.clock);
		this.#deadlines = new SessionDeadlines(context, this, () => this.all());
	}

	get size(): number {
		return this.#sessions.size;
	}

	get(clientId: string): Session | undefined {
		return this.#sessions.get(clientId);
	}

	all(): IterableIterator<Session> {
		return this.#sessions.values();
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
			this.#sessions.set(clientId, session);
		} else {
			this.#deadlines.cancel(session); // [MQTT-3.1.3-9]
			session.username = request.username;
			session.expirySeconds = request.expirySeconds;
		}
		session.will = request.will; // [MQTT-3.1.2-7]
		session.attach(outlet);
		this.#save(session, ticket);
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
		const isWillDue = this.#willDelayMs(session) === 0;
		if (isWillDue) this.#fireWill(session); // [MQTT-3.1.2-8] [v3.1.1 MQTT-3.1.2-8] [v3.1 section 3.14]
		this.#save(session, null); // [MQTT-3.1.2-23]
		const willInMs = this.#willDelayMs(session); // Infinity when it is done
		this.#deadlines.set(session, willInMs, expiryMs(session.expirySeconds));
	}

	/** Ends a session: its state is discarded, a will that waits is published [MQTT-4.1.0-2]. */
	end(session: Session, ticket: CommitTicket | null): void {
		this.#deadlines.cancel(session);
		if (this.#sessions.get(session.clientId) === session) {
			this.#sessions.delete(session.clientId);
		}
		session.discard();
		const lastWork = this.#observer.onSessionEnded(session); // [v3.1.1 MQTT-3.1.2-7]
		this.#fireWill(session);
		if (!session.isPersistent) return;
		if (lastWork === null) {
			this.#deleteRows(session, ticket);
			return;
		}
		// Should the process end before that, the next start goes on with the work.
		session.expirySeconds = 0;
		this.#save(session, ticket);
		ticket?.hold();
		lastWork.then(() => {
			this.#deleteRows(session, ticket);
			ticket?.settle();
		});
	}

	#deleteRows(session: Session, ticket: CommitTicket | null): void {
		this.#context.store.deleteSession(session.key, ticket);
		this.#freeKeys.push(session.key);
	}

	/** Brings back a session found in the store at start. */
	restore(saved: SavedSession): Session | null {
		this.#lastKey = Math.max(this.#lastKey, saved.key);
		const hasEnded = saved.expirySeconds === 0;
		if (hasEnded && saved.queuedMessages === 0) {
			this.#context.store.deleteSession(saved.key, null);
			return null;
		}
		const session = new Session(
			this.#context,
			saved.clientId,
			saved.key,
			saved.username,
			Math.max(1, saved.expirySeconds), // it has rows, so it is a persistent one
		);
		session.expirySeconds = saved.expirySeconds;
		const now = this.#context.clock.wallMs();
		const elapsedMs =
			saved.disconnectedAtMs === 0
				? 0
				: Math.max(0, now - saved.disconnectedAtMs);
		session.disconnectedAtMs =
			saved.disconnectedAtMs === 0 ? now : saved.disconnectedAtMs;
		session.lastSequence = saved.lastSequence;
		session.will = saved.will;
		session.restoreCounts(saved.queuedMessages, saved.queuedBytes);
		for (const packetId of saved.receivedIds) session.addReceivedId(packetId);
		if (hasEnded) {
			// Not to be resumed: the client id may have a new session already.
			this.#overdue.push(session);
			return session;
		}
		this.#sessions.set(session.clientId, session);
		if (saved.disconnectedAtMs === 0) this.#save(session, null);
		const endInMs = expiryMs(session.expirySeconds) - elapsedMs;
		const willInMs = this.#willDelayMs(session) - elapsedMs;
		if (endInMs <= 0) this.#overdue.push(session);
		const isWillDue = willInMs <= 0;
		if (isWillDue) this.#dueWills.push(session);
		this.#deadlines.set(
			session,
			isWillDue ? Number.POSITIVE_INFINITY : willInMs,
			Math.max(0, endInMs),
		);
		return session;
	}

	/**
	 * Publishes wills and ends sessions whose time was up before the start, before a client
	 * can come back and stop them; all sessions are there by now.
	 */
	endOverdue(): void {
		for (const session of this.#dueWills.splice(0)) this.onWillDue(session); // [MQTT-3.1.2-8]
		for (const session of this.#overdue.splice(0)) {
			if (!session.isEnded) this.onSessionExpired(session);
		}
	}

	/** At shutdown: marks what is in flight; wills of sessions that go on are kept for the next start. */
	detachAll(): void {
		for (const session of this.#sessions.values()) {
			if (session.outlet === null) continue;
			this.#detach(session);
			if (session.expirySeconds === 0) this.#fireWill(session);
			else this.#save(session, null);
		}
	}

	onWillDue(session: Session): void {
		this.#fireWill(session);
		this.#save(session, null);
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
		} else if (isEnding || this.#willDelayMs(session) === 0) {
			this.#fireWill(session);
		}
		session.will = null;
		if (session.expirySeconds === 0) this.end(session, null);
	}

	#detach(session: Session): void {
		const entries = session.detach();
		this.#observer.onDetached(session, entries);
		for (const entry of entries) entry.message.release();
	}

	#fireWill(session: Session): void {
		const { will } = session;
		if (will === null) return;
		session.will = null; // [MQTT-3.1.2-10]
		try {
			this.#observer.publishWill(session, will);
		} catch (error) {
			this.#context.log.system.error("a will could not be published", {
				client: session.clientId,
				topic: will.topic,
				error: error instanceof Error ? error : String(error),
			});
		}
	}

	#willDelayMs(session: Session): number {
		if (session.will === null) return Number.POSITIVE_INFINITY;
		return Math.min(
			session.will.delaySeconds * 1000,
			this.#context.settings.max_last_will_delay,
		);
	}

	#save(session: Session, ticket: CommitTicket | null): void {
		if (!session.isPersistent) return;
		this.#context.store.putSession(
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
}

function expiryMs(seconds: number): number {
	return seconds === SESSION_NEVER_EXPIRES
		? Number.POSITIVE_INFINITY
		: seconds * 1000;
}
