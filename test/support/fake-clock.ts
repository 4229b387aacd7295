import type { Clock, TimerHandle } from "../../src/platform/clock.ts";

interface FakeTimer {
	readonly callback: () => void;
	readonly dueMs: number;
}

/** The system takes longer delays for 1 ms: code that asks for one has a bug. */
const MAX_DELAY_MS = 0x7fffffff;

/** Time that stands still until a test moves it. */
export class FakeClock implements Clock {
	#monotonicMs = 5000;
	#wallMs: number;
	readonly #timers = new Set<FakeTimer>();

	/** @param wallMs milliseconds since 1970 at the beginning */
	constructor(wallMs = Date.UTC(2026, 10, 20, 10)) {
		this.#wallMs = wallMs;
	}

	/** Timers set and neither run nor cleared. */
	get pendingTimers(): number {
		return this.#timers.size;
	}

	/** Delay until the next timer in ms; Infinity when there is none. */
	get nextTimerMs(): number {
		return (this.#next()?.dueMs ?? Infinity) - this.#monotonicMs;
	}

	monotonicMs(): number {
		return this.#monotonicMs;
	}

	wallMs(): number {
		return this.#wallMs;
	}

	/** As the system's: a delay below 1 ms counts as 1 ms. @throws RangeError above 2^31-1 */
	setTimer(callback: () => void, delayMs: number): TimerHandle {
		if (!(delayMs <= MAX_DELAY_MS))
			throw new RangeError(`a system timer cannot wait ${delayMs} ms`);
		const dueMs = this.#monotonicMs + Math.max(delayMs, 1);
		const timer: FakeTimer = { callback, dueMs };
		this.#timers.add(timer);
		return timer;
	}

	clearTimer(handle: TimerHandle): void {
		this.#timers.delete(handle as FakeTimer);
	}

	/** Lets time pass; timers run in order, each at its own time. */
	advance(ms: number): void {
		const endMs = this.#monotonicMs + ms;
		while (this.#runNext(endMs));
		this.#moveTo(endMs);
	}

	/** As {@link advance}; promises and `setImmediate` callbacks run before and after each timer. */
	async advanceAsync(ms: number): Promise<void> {
		const endMs = this.#monotonicMs + ms;
		await turn();
		while (this.#runNext(endMs)) await turn();
		this.#moveTo(endMs);
		await turn();
	}

	/** All the time passes at once, as for a process that was stopped: due timers run late. */
	suspend(ms: number): void {
		this.#moveTo(this.#monotonicMs + ms);
		this.advance(0);
	}

	/** Sets the wall clock forward or back; timers do not notice. */
	jumpWall(ms: number): void {
		this.#wallMs += ms;
	}

	#next(): FakeTimer | null {
		let next: FakeTimer | null = null;
		for (const timer of this.#timers)
			if (next === null || timer.dueMs < next.dueMs) next = timer;
		return next;
	}

	#runNext(endMs: number): boolean {
		const timer = this.#next();
		if (timer === null || timer.dueMs > endMs) return false;
		this.#timers.delete(timer);
		this.#moveTo(timer.dueMs);
		timer.callback();
		return true;
	}

	#moveTo(ms: number): void {
		if (ms <= this.#monotonicMs) return;
		this.#wallMs += ms - this.#monotonicMs;
		this.#monotonicMs = ms;
	}
}

/** A continuation may wait for an immediate of its own, and what follows for another. */
async function turn(): Promise<void> {
	for (let i = 0; i < 4; i++)
		await new Promise((resolve) => setImmediate(resolve));
}
