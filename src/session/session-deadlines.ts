/**
 * When sessions without a connection have to act: a timer for what is near, a walk
 * over all sessions for what is far. A hundred thousand clients that never come back
 * cost a number each, not a timer each.
 *
 *     now           NEAR_MS                                        30 days
 *      |--- timers ----|------- found by the walk, in time for a timer ----|
 *
 * The walk takes a part of the sessions every PART_MS. Owned by the registry.
 */
import { type TimerTarget, WheelTimer } from "../platform/timer-wheel.ts";
import type { Session } from "./session.ts";
import type { SessionContext } from "./session-context.ts";
import { type DeadlineOwner, SessionDeadline } from "./session-deadline.ts";

const PART_MS = 10_000;
const PARTS = 3;
/** Longer than a walk over all sessions takes, even when many are added meanwhile. */
const NEAR_MS = 90_000;

export class SessionDeadlines implements TimerTarget {
	readonly #context: SessionContext;
	readonly #owner: DeadlineOwner;
	readonly #all: () => IterableIterator<Session>;
	readonly #timer = new WheelTimer(this);
	/** Sessions that the walk is there for. */
	#far = 0;
	#walk: IterableIterator<Session> | null = null;
	#walkedAtMs = 0;

	/** @param all every session, with those that are added during the walk */
	constructor(
		context: SessionContext,
		owner: DeadlineOwner,
		all: () => IterableIterator<Session>,
	) {
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
		const now = this.#context.clock.monotonicMs();
		session.endsAtMs = now + endInMs;
		if (this.#far++ > 0) return;
		this.#walkedAtMs = now;
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
		if (this.#far > 0) wheel.schedule(this.#timer, PART_MS);
		else this.#walk = null;
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
