/**
 * `max_message_rate`: PUBLISH packets per second that one client may send. Allows a
 * second's worth at once; beyond that the client is not read until it is its turn
 * again, so that nothing is lost and nothing piles up here.
 */
export class MessageRate {
	#perSecond: number;
	#tokens: number;
	#filledAtMs: number;

	constructor(perSecond: number, nowMs: number) {
		this.#perSecond = perSecond;
		this.#tokens = perSecond;
		this.#filledAtMs = nowMs;
	}

	/**
	 * Counts one message.
	 * @returns ms to wait before the next one; 0 for none
	 */
	take(perSecond: number, nowMs: number): number {
		this.#perSecond = perSecond;
		const earned = ((nowMs - this.#filledAtMs) / 1000) * perSecond;
		this.#tokens = Math.min(perSecond, this.#tokens + earned) - 1;
		this.#filledAtMs = nowMs;
		if (this.#tokens >= 0) return 0;
		return Math.ceil((-this.#tokens / this.#perSecond) * 1000);
	}
}
