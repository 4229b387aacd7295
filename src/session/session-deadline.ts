/**
 * When a session without a connection has to act: its will, then its end. One timer
 * serves both, on the monotonic clock; the registry owns it.
 */
import { type TimerTarget, WheelTimer } from "../platform/timer-wheel.ts";
import type { Session } from "./session.ts";

export interface DeadlineOwner {
	onWillDue(session: Session): void;
	onSessionExpired(session: Session): void;
	/** @param sleeper its number in {@link SleepingSessions} */
	onSleeperExpired(sleeper: number): void;
}

export class SessionDeadline implements TimerTarget {
	readonly #session: Session;
	readonly #owner: DeadlineOwner;
	readonly #timer = new WheelTimer(this);
	/** Monotonic ms; Infinity for none. */
	readonly #willAtMs: number;
	readonly endAtMs: number;
	#isWillDone: boolean;

	/** Both in ms from now; Infinity for never. */
	constructor(
		session: Session,
		owner: DeadlineOwner,
		willInMs: number,
		endInMs: number,
	) {
		this.#session = session;
		this.#owner = owner;
		const now = session.context.clock.monotonicMs();
		this.#willAtMs = now + willInMs;
		this.endAtMs = now + endInMs;
		this.#isWillDone = willInMs === Number.POSITIVE_INFINITY;
		this.#arm(now);
	}

	cancel(): void {
		this.#session.context.wheel.cancel(this.#timer);
	}

	onTimer(): void {
		const now = this.#session.context.clock.monotonicMs();
		if (now >= this.endAtMs) {
			this.#owner.onSessionExpired(this.#session);
			return;
		}
		const isWillDue = !this.#isWillDone && now >= this.#willAtMs;
		if (isWillDue) this.#isWillDone = true;
		this.#arm(now);
		if (isWillDue) this.#owner.onWillDue(this.#session);
	}

	#arm(now: number): void {
		const next = this.#isWillDone
			? this.endAtMs
			: Math.min(this.#willAtMs, this.endAtMs);
		if (next === Number.POSITIVE_INFINITY) return;
		this.#session.context.wheel.schedule(this.#timer, next - now);
	}
}
