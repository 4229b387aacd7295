/** The first size of a ring that is used, a power of two. */
const FIRST_SLOTS = 4;
/** What an empty ring keeps at most: a client with nothing to wait for holds 2 KB. */
const KEPT_SLOTS = 256;

/**
 * A queue whose two ends cost nothing but a step: positions count up for ever, and the
 * lower bits of one are its slot. It grows by doubling; an empty one keeps little.
 */
export class Ring<T> {
	#slots: (T | undefined)[] = [];
	#mask = -1;
	#first = 0;
	#end = 0;

	get length(): number {
		return this.#end - this.#first;
	}

	/** @param index from 0 on, the oldest first; undefined beyond the end */
	at(index: number): T | undefined {
		if (index >= this.length) return undefined;
		return this.#slots[(this.#first + index) & this.#mask];
	}

	push(item: T): void {
		if (this.length === this.#slots.length) this.#grow();
		this.#slots[this.#end++ & this.#mask] = item;
	}

	/** Takes out the oldest. */
	shift(): T | undefined {
		if (this.#first === this.#end) return undefined;
		return this.#take(this.#first++);
	}

	/** Takes out the newest. */
	pop(): T | undefined {
		if (this.#first === this.#end) return undefined;
		return this.#take(--this.#end);
	}

	/** All, the oldest first: a copy. */
	toArray(): T[] {
		return Array.from(
			{ length: this.length },
			(_, index) => this.at(index) as T,
		);
	}

	/** Takes out one in the middle, which costs as much as there is behind it. */
	remove(index: number): T | undefined {
		const item = this.at(index);
		if (item === undefined) return undefined;
		for (let at = this.#first + index; at < this.#end - 1; at++)
			this.#slots[at & this.#mask] = this.#slots[(at + 1) & this.#mask];
		this.pop();
		return item;
	}

	clear(): void {
		this.#slots = [];
		this.#mask = -1;
		this.#first = this.#end = 0;
	}

	#take(position: number): T | undefined {
		const at = position & this.#mask;
		const item = this.#slots[at];
		this.#slots[at] = undefined;
		if (this.#first === this.#end && this.#mask >= KEPT_SLOTS) this.clear();
		return item;
	}

	#grow(): void {
		const items = this.toArray();
		const length = Math.max(FIRST_SLOTS, 2 * items.length);
		this.#slots = new Array<T | undefined>(length).fill(undefined);
		for (const [index, item] of items.entries()) this.#slots[index] = item;
		this.#mask = length - 1;
		this.#first = 0;
		this.#end = items.length;
	}
}
