/**
 * Which sessions are objects. Those with a client are, and those of the clients that
 * left last; all others sleep ({@link SleepingSessions}) if nothing about them needs an
 * object: no will, no near deadline, no half-done handshake, no lane, no shared
 * subscription.
 *
 *     client connects            client leaves           others left after it
 *     ---> in memory  ------->   in memory, away  ------->  asleep
 *          ^                                                  |
 *          +------------ client connects again ---------------+
 *
 * A message for a sleeper wakes it for as long as that takes. Owned by the registry.
 */
import type { SavedSession, SubscriptionRecord } from "../store/store.ts";
import { Session } from "./session.ts";
import type { SessionContext } from "./session-context.ts";
import type { SessionDeadlines } from "./session-deadlines.ts";
import type { SleepingSessions, SleepingState } from "./sleeping-sessions.ts";

/** Whoever keeps the subscriptions of sleepers. */
export interface SleepObserver {
	/**
	 * The session goes to sleep as `sleeper`: its subscriptions leave memory with it.
	 * @returns what finds them again, 0 when there are none; -1 when it has to stay awake
	 */
	onSleep(session: Session, sleeper: number): number;
	/** @param first what {@link onSleep} or {@link onRestoredAsleep} returned */
	onWake(session: Session, first: number): void;
	/** A session sleeps from the start of the broker. @returns as {@link onSleep} */
	onRestoredAsleep(
		sleeper: number,
		subscriptions: readonly SubscriptionRecord[],
	): number;
}

/** What can be seen of a session without waking it. */
export type KnownSession = Pick<
	Session,
	| "clientId"
	| "username"
	| "outlet"
	| "isPersistent"
	| "expirySeconds"
	| "disconnectedAtMs"
	| "queuedMessages"
	| "queuedBytes"
	| "will"
> & { readonly subscriptions: { readonly size: number } };

/** Sessions that stay in memory without a client. */
export const AWAY_IN_MEMORY = 1000;

export class SessionMemory {
	readonly #context: SessionContext;
	readonly #observer: SleepObserver;
	readonly #deadlines: SessionDeadlines;
	readonly #sleeping: SleepingSessions;
	readonly #most: number;
	readonly #inMemory = new Map<string, Session>(); // [MQTT-3.1.3-2]
	/** Those of them without a client that may sleep, the first to leave first. */
	readonly #away = new Set<Session>();

	/** @param most sessions without a client in memory */
	constructor(
		context: SessionContext,
		observer: SleepObserver,
		deadlines: SessionDeadlines,
		sleeping: SleepingSessions,
		most: number,
	) {
		this.#context = context;
		this.#observer = observer;
		this.#deadlines = deadlines;
		this.#sleeping = sleeping;
		this.#most = most;
	}

	/** Sleepers included. */
	get size(): number {
		return this.#inMemory.size + this.#sleeping.size;
	}

	has(clientId: string): boolean {
		return this.#inMemory.has(clientId) || this.#sleeping.find(clientId) !== 0;
	}

	/** Without the sleepers. */
	awake(clientId: string): Session | undefined {
		return this.#inMemory.get(clientId);
	}

	/** Wakes it if it sleeps. */
	get(clientId: string): Session | undefined {
		const session = this.#inMemory.get(clientId);
		if (session !== undefined) return session;
		const sleeper = this.#sleeping.find(clientId);
		return sleeper === 0 ? undefined : this.wake(sleeper);
	}

	/** Without the sleepers, in the order in which they came. */
	inMemory(): IterableIterator<Session> {
		return this.#inMemory.values();
	}

	/** Everybody; who falls asleep or wakes up during a walk with pauses may come twice, or not. */
	*known(): Generator<KnownSession> {
		yield* this.#inMemory.values();
		for (let row = 1; row <= this.#sleeping.last; row++) {
			if (!this.#sleeping.isSleeper(row)) continue;
			yield {
				...this.#sleeping.read(row),
				outlet: null,
				will: null,
				isPersistent: true,
				subscriptions: { size: this.#sleeping.subscriptions(row) },
			};
		}
	}

	add(session: Session): void {
		this.#inMemory.set(session.clientId, session);
	}

	delete(session: Session): void {
		this.#away.delete(session);
		if (this.#inMemory.get(session.clientId) === session) {
			this.#inMemory.delete(session.clientId);
		}
	}

	/** Its client is back. */
	keep(session: Session): void {
		this.#away.delete(session);
	}

	/** It has no client: it may sleep when enough others have left after it. */
	release(session: Session): void {
		this.#away.delete(session);
		this.#away.add(session);
		for (let over = this.#away.size - this.#most; over > 0; over--) {
			const [first] = this.#away;
			if (first === undefined) return;
			this.#away.delete(first);
			if (first.isTrimming) this.#away.add(first);
			else this.#fallAsleep(first);
		}
	}

	/**
	 * Takes in a session found at start.
	 * @param endsAtMs monotonic; Infinity for never
	 * @returns false when it has to be made as an object
	 */
	restoreAsleep(saved: SavedSession, endsAtMs: number): boolean {
		const isLazy =
			this.#away.size >= this.#most &&
			saved.will === null &&
			saved.receivedIds.length === 0 &&
			saved.lanes.length === 0 &&
			!saved.subscriptions.some(({ filter }) => filter.startsWith("$share/"));
		if (!isLazy) return false;
		const { subscriptions } = saved;
		const sleeper = this.#sleeping.add(saved.clientId, saved.username);
		this.#sleeping.write(sleeper, { ...saved, endsAtMs });
		const first = this.#observer.onRestoredAsleep(sleeper, subscriptions);
		this.#sleeping.setSubscriptions(sleeper, subscriptions.length, first);
		this.#context.sessionBudget.charge(this.#sleeping.bytes(sleeper));
		const { counters } = this.#context;
		counters.queuedMessages += saved.queuedMessages;
		counters.queuedBytes += saved.queuedBytes;
		this.#deadlines.run();
		return true;
	}

	/** For good, or until its turn to sleep comes again. */
	wake(sleeper: number): Session {
		const state = this.#sleeping.read(sleeper);
		const session = this.#object(state);
		this.#register(sleeper, session, state.endsAtMs);
		return session;
	}

	/** Has something done to a sleeper, which sleeps on if it can. */
	visit(sleeper: number, act: (session: Session) => void): void {
		const state = this.#sleeping.read(sleeper);
		const session = this.#object(state);
		act(session);
		if (!mayRest(session)) {
			this.#register(sleeper, session, state.endsAtMs);
			return;
		}
		const { queuedMessages, queuedBytes, lastSequence } = session;
		const counts = { queuedMessages, queuedBytes, lastSequence };
		this.#sleeping.write(sleeper, { ...state, ...counts });
		session.leaveMemory();
	}

	#object(state: SleepingState): Session {
		const { clientId, key, username, expirySeconds } = state;
		const session = new Session(
			this.#context,
			clientId,
			key,
			username,
			expirySeconds,
		);
		session.disconnectedAtMs = state.disconnectedAtMs;
		session.lastSequence = state.lastSequence;
		// Not counted anew: they never left the broker's counts.
		session.queuedMessages = state.queuedMessages;
		session.queuedBytes = state.queuedBytes;
		return session;
	}

	#register(sleeper: number, session: Session, endsAtMs: number): void {
		const first = this.#sleeping.firstSubscription(sleeper);
		this.#context.sessionBudget.release(this.#sleeping.bytes(sleeper));
		this.#sleeping.remove(sleeper);
		this.#inMemory.set(session.clientId, session);
		this.#deadlines.resume(session, endsAtMs);
		this.#observer.onWake(session, first);
		this.#away.add(session);
	}

	#fallAsleep(session: Session): void {
		if (!mayRest(session) || session.deadline !== null) return;
		const { clientId, username } = session;
		const sleeper = this.#sleeping.add(clientId, username);
		const { size } = session.subscriptions;
		const first = this.#observer.onSleep(session, sleeper);
		if (first < 0) {
			this.#sleeping.remove(sleeper);
			return;
		}
		const { key, expirySeconds, disconnectedAtMs, lastSequence } = session;
		const { queuedMessages, queuedBytes, endsAtMs } = session;
		this.#sleeping.write(sleeper, {
			key,
			expirySeconds,
			disconnectedAtMs,
			endsAtMs,
			lastSequence,
			queuedMessages,
			queuedBytes,
		});
		this.#sleeping.setSubscriptions(sleeper, size, first);
		this.#deadlines.letSleep(session);
		this.#context.sessionBudget.charge(this.#sleeping.bytes(sleeper));
		this.#inMemory.delete(clientId);
		session.leaveMemory();
	}
}

/** Nothing of it is in memory only, and nobody is working on it. */
function mayRest(session: Session): boolean {
	return (
		session.isPersistent &&
		!session.isEnded &&
		!session.isTrimming &&
		session.outbound === null &&
		session.will === null &&
		session.receivedIds === null &&
		session.lanes === null &&
		session.expirySeconds > 0 &&
		hasNoReplayUnderWay(session)
	);
}

/** One that was not begun is remembered with its subscription. */
function hasNoReplayUnderWay({ unfinishedReplays }: Session): boolean {
	if (unfinishedReplays === null) return true;
	return [...unfinishedReplays.values()].every(
		({ isUntouched }) => isUntouched,
	);
}
