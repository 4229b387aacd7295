/**
 * Two devices with one client id throw each other out for ever. This notices it and
 * says how long the next take-over of that id has to wait. Bounded: it remembers only
 * ids that were taken over within the last minute, a thousand at most.
 */
import type { Clock } from "../platform/clock.ts";

const WINDOW_MS = 60_000;
const MAX_IDS = 1000;
const MAX_DELAY_MS = 30_000;

interface Recent {
	startedAtMs: number;
	count: number;
}

export class TakeOverLimiter {
	readonly #clock: Clock;
	readonly #recent = new Map<string, Recent>();

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** Counts one take-over. */
	note(clientId: string): void {
		const now = this.#clock.monotonicMs();
		const recent = this.#recent.get(clientId);
		if (recent !== undefined && now - recent.startedAtMs < WINDOW_MS) {
			recent.count++;
			return;
		}
		if (this.#recent.size >= MAX_IDS) this.#dropOld(now);
		this.#recent.set(clientId, { startedAtMs: now, count: 1 });
	}

	/**
	 * How long the next take-over waits.
	 * @param perMinute take-overs that are let through at once
	 * @returns milliseconds; 0 for at once
	 */
	delayMs(clientId: string, perMinute: number): number {
		const recent = this.#recent.get(clientId);
		if (recent === undefined || recent.count < perMinute) return 0;
		if (this.#clock.monotonicMs() - recent.startedAtMs >= WINDOW_MS) return 0;
		return Math.min(MAX_DELAY_MS, 1000 * 2 ** (recent.count - perMinute + 1));
	}

	#dropOld(now: number): void {
		for (const [id, recent] of this.#recent) {
			if (now - recent.startedAtMs >= WINDOW_MS) this.#recent.delete(id);
		}
		if (this.#recent.size >= MAX_IDS) this.#recent.clear();
	}
}
