/**
 * Time, from one place, so that a test can stand in for it.
 *
 * Everything that measures a duration uses {@link Clock.monotonicMs}: small boards
 * boot with a wrong wall clock and jump by years when the network appears.
 */

export type TimerHandle = object | number;

export interface Clock {
	/** Milliseconds since an arbitrary origin; never goes back, never jumps. */
	monotonicMs(): number;
	/** Milliseconds since 1970. The system's may jump: see lasting-clock.ts for what survives a restart. */
	wallMs(): number;
	/** Calls `callback` once, `delayMs` from now. Does not keep the process alive. */
	setTimer(callback: () => void, delayMs: number): TimerHandle;
	clearTimer(handle: TimerHandle): void;
}

export const systemClock: Clock = {
	monotonicMs: () => performance.now(),
	wallMs: () => Date.now(),
	setTimer: (callback, delayMs) => setTimeout(callback, delayMs).unref(),
	clearTimer: (handle) => clearTimeout(handle as NodeJS.Timeout),
};
