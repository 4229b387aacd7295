/**
 * When sessions without a connection have to act: a timer for what is near, a walk
 * over all sessions for what is far. A hundred thousand clients that never come back
 * cost a number each, not a timer each.
 *
 *     now           NEAR_MS                                        30 days
 *      |--- timers ----|------- found by the walk, in time for a timer ----|
 *
 * The walk takes a part of the sessions every PART_MS. Sleepers have no timers: they
 * end when the walk finds them, up to PARTS * PART_MS late. Owned by the registry.
 */
import { type TimerTarget, WheelTimer } from "../platform/timer-wheel.ts";
import type { Session } from "./session.ts";
import type { SessionContext } from "./session-context.ts";
import { type DeadlineOwner, SessionDeadline } from "./session-deadline.ts";
import type { SleepingSessions } from "./sleeping-sessions.ts";

const PART_MS = 10_000;
const PARTS = 3;
/** Longer than a walk over all sessions takes, even when many are added meanwhile. */
const NEAR_MS = 90_000;
/** Sleepers that end in one go, and how soon the next ones do. */
const MOST_ENDS = 500;
const BUSY_MS = 50;

export class SessionDeadlines implements TimerTarget {
	readonly #context: SessionContext;
	readonly #owner: DeadlineOwner;
	readonly #all: () => IterableIterator<Session>;
	readonly #sleeping: SleepingSessions;
	readonly #timer = new WheelTimer(this);
	/** Sessions that the walk is there for. */
	#far = 0;
	#walk: IterableIterator<Session> | null = null;
	#walkedAtMs = 0;
	/** The last sleeper that the walk has seen. */
	#sleeper = 0;

	/** @param all every session in memory, with those that are added during the walk */
	constructor(
		context: SessionContext,
		owner: DeadlineOwner,
		sleeping: SleepingSessions,
		all: () => IterableIterator<Session>,
	) {
		this.#sleeping = sleeping;
		this.#context = context;
		this.#owner = owner;
		this.#all = all;
	}

	/** Both in ms from now; Infinity for never. The session has none yet. */
	set(session: Session, willInMs: number, endInMs: number): void {
		const hasWill = willInMs !== Number.POSITIVE_INFINITY;
		if (hasWill || endInMs < NEAR_MS) {
			session.deadline = new SessionDeadline(
				session,
				this.#owner,
				willInMs,
				endInMs,
			);
			return;
		}
		if (endInMs === Number.POSITIVE_INFINITY) return;
		this.#far++;
		session.endsAtMs = this.#context.clock.monotonicMs() + endInMs;
		this.run();
	}

	/** Its will is published: what is far may be found by the walk from now on. */
	willIsDone(session: Session): void {
		const { deadline } = session;
		if (deadline === null) return;
		this.cancel(session);
		const now = this.#context.clock.monotonicMs();
		this.set(session, Number.POSITIVE_INFINITY, deadline.endAtMs - now);
	}

	/** The session becomes a sleeper, which is in the table of those already. */
	letSleep(session: Session): void {
		this.#forgetFar(session);
		this.run();
	}

	/** It sleeps no more. @param endsAtMs monotonic; Infinity for never */
	resume(session: Session, endsAtMs: number): void {
		if (endsAtMs === Number.POSITIVE_INFINITY) return;
		this.#far++;
		session.endsAtMs = endsAtMs;
		this.run();
	}

	/** Has the walk go on while it has anything to find. */
	run(): void {
		if (this.#timer.isScheduled || !this.#isNeeded) return;
		this.#walkedAtMs = this.#context.clock.monotonicMs();
		this.#context.wheel.schedule(this.#timer, PART_MS);
	}

	cancel(session: Session): void {
		session.deadline?.cancel();
		session.deadline = null;
		this.#forgetFar(session);
	}

	/** Its time is over, and nobody has noticed yet. */
	isOver(session: Session): boolean {
		return session.endsAtMs <= this.#context.clock.monotonicMs();
	}

	onTimer(): void {
		const { clock, wheel } = this.#context;
		const now = clock.monotonicMs();
		const isLate = now - this.#walkedAtMs > 2 * PART_MS;
		this.#walkedAtMs = now;
		if (isLate) this.#walkAll(now);
		else this.#walkPart(now);
		const isBusy = this.#walkSleepers(now, isLate);
		if (this.#far === 0) this.#walk = null;
		if (this.#isNeeded) wheel.schedule(this.#timer, isBusy ? BUSY_MS : PART_MS);
	}

	get #isNeeded(): boolean {
		return this.#far > 0 || this.#sleeping.mortals > 0;
	}

	/** @returns true when there are more to end */
	#walkSleepers(now: number, isLate: boolean): boolean {
		const sleeping = this.#sleeping;
		const { last } = sleeping;
		let left = isLate ? last : Math.ceil(last / PARTS) + 1000;
		let ended = 0;
		for (; left > 0; left--) {
			if (++this.#sleeper > last) {
				this.#sleeper = 0;
				return false;
			}
			if (!sleeping.isSleeper(this.#sleeper)) continue;
			if (sleeping.endsAtMs(this.#sleeper) > now) continue;
			this.#owner.onSleeperExpired(this.#sleeper);
			if (++ended === MOST_ENDS) return true;
		}
		return false;
	}

	/** The machine was suspended: no time to lose. */
	#walkAll(now: number): void {
		this.#walk = null;
		for (const session of [...this.#all()]) this.#look(session, now);
	}

	#walkPart(now: number): void {
		this.#walk ??= this.#all();
		for (let left = Math.ceil(this.#far / PARTS) + 1000; left > 0; ) {
			const { value: session, done } = this.#walk.next();
			if (done === true) {
				this.#walk = null;
				return;
			}
			if (session.endsAtMs !== Number.POSITIVE_INFINITY) left--;
			this.#look(session, now);
		}
	}

	#look(session: Session, now: number): void {
		const endInMs = session.endsAtMs - now;
		if (endInMs >= NEAR_MS) return;
		this.#forgetFar(session);
		if (endInMs <= 0) this.#owner.onSessionExpired(session);
		else this.set(session, Number.POSITIVE_INFINITY, endInMs);
	}

	#forgetFar(session: Session): void {
		if (session.endsAtMs === Number.POSITIVE_INFINITY) return;
		session.endsAtMs = Number.POSITIVE_INFINITY;
		this.#far--;
	}
}
