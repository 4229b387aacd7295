/**
 * Keeps lasting time going across restarts, and says when the wall clock is set. What it
 * saves is one moment: at the start, at the stop, when the clock was set, and every hour
 * in which anything was written anyway.
 */
import type { LastingClock, Moment } from "../platform/lasting-clock.ts";
import type { Logger } from "../platform/logger.ts";
import { type TimerTarget, WheelTimer } from "../platform/timer-wheel.ts";
import type { Store } from "../store/store.ts";

const LOOK_MS = 10_000;
const SAVE_MS = 3_600_000;
const SPACE = "clock";
const NAME = "last";

export interface ClockWatchParts {
	readonly clock: LastingClock;
	readonly wheel: { schedule(timer: WheelTimer, delayMs: number): void };
	readonly log: Logger;
	readonly store: Store;
}

export class ClockWatch implements TimerTarget {
	readonly #parts: ClockWatchParts;
	readonly #timer = new WheelTimer(this);
	#savedAtMs = 0;
	#savedCommits = 0;

	constructor(parts: ClockWatchParts) {
		this.#parts = parts;
	}

	/** The store is open, and nothing has been read from it that has a time. */
	async begin(): Promise<void> {
		const { clock, wheel, log, store } = this.#parts;
		const before = readMoment(await store.readValue(SPACE, NAME));
		if (before !== null && !clock.continueFrom(before)) {
			log.system.warning(
				"the clock is wrong, or was when the broker last ran: the time in between does not count for what expires",
				{ now: iso(clock.now().wallMs), last_run: iso(before.wallMs) },
			);
		}
		this.save();
		wheel.schedule(this.#timer, LOOK_MS);
	}

	/** For the next run. */
	save(): void {
		const { clock, store } = this.#parts;
		const value = Buffer.from(JSON.stringify(clock.now()));
		store.putValue(SPACE, NAME, value, null);
		this.#savedAtMs = clock.monotonicMs();
		this.#savedCommits = store.counters.commits;
	}

	onTimer(): void {
		const { clock, wheel, log, store } = this.#parts;
		wheel.schedule(this.#timer, LOOK_MS);
		const jumpMs = clock.takeJump();
		if (jumpMs !== 0) {
			const { wallMs } = clock.now();
			const direction = jumpMs > 0 ? "forward" : "back";
			log.system.warning(
				`the clock was set ${direction}; sessions and messages expire as if it had not been`,
				{
					by_s: Math.round(Math.abs(jumpMs) / 1000),
					from: iso(wallMs - jumpMs),
					to: iso(wallMs),
				},
			);
			this.save();
			return;
		}
		// More than the commit of the last saving itself.
		const isBusy = store.counters.commits > this.#savedCommits + 1;
		if (isBusy && clock.monotonicMs() - this.#savedAtMs >= SAVE_MS) this.save();
	}
}

function readMoment(value: Buffer | null): Moment | null {
	if (value === null) return null;
	try {
		const { lastingMs, wallMs } = JSON.parse(value.toString()) as Moment;
		const isMoment = Number.isFinite(lastingMs) && Number.isFinite(wallMs);
		return isMoment ? { lastingMs, wallMs } : null;
	} catch {
		return null; // a damaged file that was salvaged: as if it were the first run
	}
}

function iso(wallMs: number): string {
	return new Date(wallMs).toISOString();
}
