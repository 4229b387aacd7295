/**
 * A log line that an outsider can provoke: at most one per interval, which then says
 * how many were left out.
 */

import { type Clock, systemClock } from "../platform/clock.ts";

const INTERVAL_MS = 10_000;

export class RateLimitedLog {
	readonly #log: (words: string) => void;
	readonly #clock: Clock;
	#silentUntilMs = Number.NEGATIVE_INFINITY;
	#suppressed = 0;

	constructor(log: (words: string) => void, clock: Clock = systemClock) {
		this.#log = log;
		this.#clock = clock;
	}

	write(words: string): void {
		const nowMs = this.#clock.monotonicMs();
		if (nowMs < this.#silentUntilMs) {
			this.#suppressed++;
			return;
		}
		const more =
			this.#suppressed > 0 ? ` (${this.#suppressed} more since)` : "";
		this.#silentUntilMs = nowMs + INTERVAL_MS;
		this.#suppressed = 0;
		this.#log(words + more);
	}
}
