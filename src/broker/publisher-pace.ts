/**
 * Slows down whoever publishes the most while memory is short. Time is cut into
 * periods; who has sent more than three quarters of what the average publisher sent in
 * the period before is not read until the next one begins. All together send less from
 * period to period, until memory is freer; who sends little never waits.
 */
import type { Clock } from "../platform/clock.ts";

const PERIOD_MS = 250;
const SHARE = 0.75;
/** Nobody waits for less than this in one period. */
const LEAST_BYTES = 4 * 1024;
/** What a message costs beside its bytes. */
const MESSAGE_BYTES = 200;

export class PublisherPace {
	readonly #clock: Clock;
	/** Bytes of this period by publisher. */
	readonly #sent = new Map<object, number>();
	#total = 0;
	#startedAtMs = Number.NEGATIVE_INFINITY;
	#allowance = LEAST_BYTES;

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/**
	 * Counts a message of `bytes`.
	 * @returns ms for which its publisher is not to be read; 0 for none
	 */
	take(publisher: object, bytes: number): number {
		const now = this.#clock.monotonicMs();
		const elapsed = now - this.#startedAtMs;
		if (elapsed >= PERIOD_MS) this.#begin(now, elapsed);
		const sent = (this.#sent.get(publisher) ?? 0) + bytes + MESSAGE_BYTES;
		this.#sent.set(publisher, sent);
		this.#total += bytes + MESSAGE_BYTES;
		if (sent <= this.#allowance) return 0;
		return Math.max(1, PERIOD_MS - (now - this.#startedAtMs));
	}

	#begin(now: number, elapsed: number): void {
		const isNext = elapsed < 2 * PERIOD_MS;
		const average = this.#sent.size === 0 ? 0 : this.#total / this.#sent.size;
		// After a pause nothing is known of what publishers send.
		this.#allowance = isNext
			? Math.max(LEAST_BYTES, SHARE * average)
			: 16 * LEAST_BYTES;
		this.#startedAtMs = now;
		this.#sent.clear();
		this.#total = 0;
	}
}
