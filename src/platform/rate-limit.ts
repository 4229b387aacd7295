import type { Clock } from "./clock.ts";

/** Longer keys share an entry with those that begin alike: a client id may have 64 KB. */
const MAX_KEY_LENGTH = 256;

interface Allowance {
	/** Monotonic time in ms of the last line. */
	allowedAtMs: number;
	suppressed: number;
}

/**
 * One event per key and interval, for log lines that a client can provoke.
 *
 * At most `maxKeys` keys are remembered. When all of them are recent, new keys share
 * one more allowance: somebody who makes up client ids cannot flood the log either.
 * Owner of the state: the limit; main thread only.
 */
export class RateLimit {
	readonly #clock: Clock;
	readonly #intervalMs: number;
	readonly #maxKeys: number;
	/** In the order in which they were last allowed. */
	readonly #allowances = new Map<string, Allowance>();
	readonly #others: Allowance = { allowedAtMs: -Infinity, suppressed: 0 };

	/**
	 * @param intervalMs ms between two allowed events of a key
	 * @param maxKeys keys remembered at most
	 */
	constructor(clock: Clock, intervalMs: number, maxKeys = 1000) {
		this.#clock = clock;
		this.#intervalMs = intervalMs;
		this.#maxKeys = maxKeys;
	}

	/** -1: suppressed. >= 0: allowed, and how many were suppressed since the last allowed one. */
	check(key: string): number {
		const nowMs = this.#clock.monotonicMs();
		const name = key.length > MAX_KEY_LENGTH ? shortened(key) : key;
		const known = this.#allowances.get(name);
		if (known !== undefined) {
			const suppressed = this.#spend(known, nowMs);
			if (suppressed >= 0) {
				this.#allowances.delete(name);
				this.#allowances.set(name, known);
			}
			return suppressed;
		}
		if (this.#allowances.size >= this.#maxKeys) this.#forgetPast(nowMs);
		if (this.#allowances.size >= this.#maxKeys)
			return this.#spend(this.#others, nowMs);
		this.#allowances.set(name, { allowedAtMs: nowMs, suppressed: 0 });
		return 0;
	}

	#spend(allowance: Allowance, nowMs: number): number {
		if (nowMs - allowance.allowedAtMs < this.#intervalMs) {
			allowance.suppressed++;
			return -1;
		}
		const suppressed = allowance.suppressed;
		allowance.suppressed = 0;
		allowance.allowedAtMs = nowMs;
		return suppressed;
	}

	#forgetPast(nowMs: number): void {
		for (const [key, { allowedAtMs }] of this.#allowances) {
			if (nowMs - allowedAtMs < this.#intervalMs) return;
			this.#allowances.delete(key);
		}
	}
}

/** A copy: a view of the key would keep the whole of it in memory. */
function shortened(key: string): string {
	return Buffer.from(key.slice(0, MAX_KEY_LENGTH)).toString();
}
