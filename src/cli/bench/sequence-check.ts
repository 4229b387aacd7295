/**
 * Whether what arrives at one subscriber is complete, once and in order, for each
 * publisher, by the numbers 1, 2, 3 ... in the payloads. Remembers the last 32 of each: what
 * comes later than that counts as a duplicate.
 */

/** Publishers that are told apart, at most: 8 bytes each. */
const MOST_PUBLISHERS = 1_048_576;
const WINDOW = 32;

export interface Order {
	/** Numbers that were passed over and have not come since. */
	missing: number;
	duplicates: number;
	/** Came after a later one. */
	reordered: number;
}

export class SequenceCheck {
	readonly #order: Order;
	readonly #first: number;
	#last: Uint32Array;
	/** Bit n: the one n before the last has come. */
	#seen: Uint32Array;

	/**
	 * @param order where it is counted; several checks may share it
	 * @param first number of the first publisher, `count` how many there will be
	 */
	constructor(order: Order, first: number, count: number) {
		this.#order = order;
		this.#first = first;
		const known = Math.min(count, MOST_PUBLISHERS);
		this.#last = new Uint32Array(known);
		this.#seen = new Uint32Array(known);
	}

	/**
	 * @param isJoining the first number of a publisher is where it begins: a subscriber that
	 *   came later has missed nothing
	 * @returns false for a duplicate
	 */
	arrived(publisher: number, sequence: number, isJoining: boolean): boolean {
		const at = publisher - this.#first;
		if (at >= this.#last.length && !this.#grow(at)) return true;
		const last = this.#last[at] as number;
		const ahead = sequence - last;
		if (ahead === 1) {
			this.#last[at] = sequence;
			this.#seen[at] = ((this.#seen[at] as number) << 1) | 1;
			return true;
		}
		if (ahead > 1) {
			if (last > 0 || !isJoining) this.#order.missing += ahead - 1;
			this.#last[at] = sequence;
			const seen = ahead < WINDOW ? (this.#seen[at] as number) << ahead : 0;
			this.#seen[at] = seen | 1;
			return true;
		}
		return this.#isLate(at, -ahead);
	}

	#isLate(at: number, behind: number): boolean {
		const bit = behind < WINDOW ? 1 << behind : 0;
		const seen = this.#seen[at] as number;
		if (bit === 0 || (seen & bit) !== 0) {
			this.#order.duplicates++;
			return false;
		}
		this.#seen[at] = seen | bit;
		this.#order.missing--;
		this.#order.reordered++;
		return true;
	}

	#grow(at: number): boolean {
		if (at < 0 || at >= MOST_PUBLISHERS) return false;
		const size = Math.min(MOST_PUBLISHERS, Math.max(16, 2 * (at + 1)));
		const [last, seen] = [new Uint32Array(size), new Uint32Array(size)];
		last.set(this.#last);
		seen.set(this.#seen);
		this.#last = last;
		this.#seen = seen;
		return true;
	}
}
