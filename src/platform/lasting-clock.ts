/**
 * Time for what outlives the process: when a session was left, when a message expires.
 *
 *     first run        |  off  |        second run
 *     monotonic clock  | wall  |        monotonic clock
 *     -----------------+-------+------------------------->  lasting time
 *
 * It starts as wall time, goes on by the monotonic clock while the process runs, and by
 * the difference of wall times from one run to the next. So a wall clock that is set while
 * the broker runs changes nothing, and lasting time may differ from wall time for good.
 *
 * Between two runs nobody can tell a wrong clock from a long absence, but for two signs:
 * a clock that shows less than at the end of the run before, or more by over a year. Then
 * the time in between does not count: nothing expires too early, and what should have
 * expired does so later, after its time from now on.
 */
import type { Clock, TimerHandle } from "./clock.ts";

/** The wall clock may lag or lead by so much before it counts as set. */
const TOLERANCE_MS = 60_000;
/** A broker that was off for longer is rarer than a clock that is wrong by years. */
const LONGEST_ABSENCE_MS = 366 * 24 * 3_600_000;

/** One moment on both scales, ms. */
export interface Moment {
	readonly lastingMs: number;
	readonly wallMs: number;
}

export class LastingClock implements Clock {
	readonly #system: Clock;
	#monotonicMs: number;
	#moment: Moment;

	constructor(system: Clock) {
		this.#system = system;
		this.#monotonicMs = system.monotonicMs();
		const wallMs = system.wallMs();
		this.#moment = { lastingMs: wallMs, wallMs };
	}

	monotonicMs(): number {
		return this.#system.monotonicMs();
	}

	/** Lasting time in ms, a whole number above 0. Never jumps while the process runs. */
	wallMs(): number {
		const elapsedMs = this.#system.monotonicMs() - this.#monotonicMs;
		return Math.max(1, Math.round(this.#moment.lastingMs + elapsedMs));
	}

	setTimer(callback: () => void, delayMs: number): TimerHandle {
		return this.#system.setTimer(callback, delayMs);
	}

	clearTimer(handle: TimerHandle): void {
		this.#system.clearTimer(handle);
	}

	/** What the next run needs to go on from. */
	now(): Moment {
		return { lastingMs: this.wallMs(), wallMs: this.#system.wallMs() };
	}

	/**
	 * Goes on from a moment of an earlier run.
	 * @returns false when the time since then could not be told and does not count
	 */
	continueFrom({ lastingMs, wallMs }: Moment): boolean {
		const nowMs = this.#system.wallMs();
		const absenceMs = nowMs - wallMs;
		const isKnown = absenceMs >= 0 && absenceMs <= LONGEST_ABSENCE_MS;
		this.#set(lastingMs + (isKnown ? absenceMs : 0), nowMs);
		return isKnown;
	}

	/** By how many ms the wall clock has been set, forward above 0, since this was last asked; 0 when it was not. */
	takeJump(): number {
		const { lastingMs, wallMs } = this.now();
		const jumpMs =
			wallMs - this.#moment.wallMs - (lastingMs - this.#moment.lastingMs);
		if (Math.abs(jumpMs) <= TOLERANCE_MS) return 0;
		this.#set(lastingMs, wallMs);
		return jumpMs;
	}

	#set(lastingMs: number, wallMs: number): void {
		this.#monotonicMs = this.#system.monotonicMs();
		this.#moment = { lastingMs, wallMs };
	}
}
