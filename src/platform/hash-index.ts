/**
 * Finds rows by the hash of what is in them: open addressing with linear probing over
 * 32-bit numbers, a fifth of what a Map of strings takes. The owner keeps the hashes
 * and compares:
 *
 *     for (let at = index.first(hash); index.rowAt(at) !== 0; at = index.next(at))
 *         if (isIt(index.rowAt(at))) return ...
 */

const LEAST_SLOTS = 64;
/** More than this share of slots is never in use, and not less than an eighth of it. */
const MOST_FULL = 0.7;

/** Unknown outside: nobody can choose texts that all fall on one place. */
const SEED = Math.floor(Math.random() * 0x7fffffff);

/** A hash is begun with a salt, takes in characters (UTF-16), and is ended. */
export function beginHash(salt: number): number {
	return SEED ^ Math.imul(salt, 0x9e3779b1);
}

export function addToHash(hash: number, character: number): number {
	const mixed = Math.imul(hash ^ character, 0x01000193);
	return mixed ^ (mixed >>> 15);
}

export function endHash(hash: number): number {
	const mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
	return mixed ^ (mixed >>> 13);
}

/** The hash of the characters from `from` to `end`, other than those with another `salt`. */
export function hashText(
	text: string,
	from: number,
	end: number,
	salt: number,
): number {
	let hash = beginHash(salt);
	for (let at = from; at < end; at++)
		hash = addToHash(hash, text.charCodeAt(at));
	return endHash(hash);
}

export class HashIndex {
	readonly #hashOf: (row: number) => number;
	#slots = new Int32Array(LEAST_SLOTS);
	#mask = LEAST_SLOTS - 1;
	#size = 0;

	constructor(hashOf: (row: number) => number) {
		this.#hashOf = hashOf;
	}

	first(hash: number): number {
		return hash & this.#mask;
	}

	next(slot: number): number {
		return (slot + 1) & this.#mask;
	}

	/** 0 at the end of a search. */
	rowAt(slot: number): number {
		return this.#slots[slot] as number;
	}

	/** The row is not there yet. */
	add(row: number): void {
		if (this.#size >= this.#slots.length * MOST_FULL) {
			this.#resize(this.#slots.length * 2);
		}
		this.#put(row);
		this.#size++;
	}

	/** The row is there, and has the hash that it had. */
	remove(row: number): void {
		const slots = this.#slots;
		const mask = this.#mask;
		let hole = this.#hashOf(row) & mask;
		while (slots[hole] !== row) hole = (hole + 1) & mask;
		// Rows behind move up, unless they are nearer to their own place than to the hole.
		for (let at = (hole + 1) & mask; ; at = (at + 1) & mask) {
			const other = slots[at] as number;
			if (other === 0) break;
			const home = this.#hashOf(other) & mask;
			if (((at - home) & mask) < ((at - hole) & mask)) continue;
			slots[hole] = other;
			hole = at;
		}
		slots[hole] = 0;
		this.#size--;
		const isWide = slots.length > LEAST_SLOTS;
		if (isWide && this.#size < (slots.length * MOST_FULL) / 8) {
			this.#resize(slots.length / 2);
		}
	}

	#put(row: number): void {
		let slot = this.#hashOf(row) & this.#mask;
		while (this.#slots[slot] !== 0) slot = (slot + 1) & this.#mask;
		this.#slots[slot] = row;
	}

	#resize(slots: number): void {
		const old = this.#slots;
		this.#slots = new Int32Array(slots);
		this.#mask = slots - 1;
		for (const row of old) if (row !== 0) this.#put(row);
	}
}
