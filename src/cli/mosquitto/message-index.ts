/**
 * Where in the file each message is, by its id: 24 bytes and a slot for each, which is a
 * small part of what mosquitto itself needed to hold them.
 */
import {
	addToHash,
	beginHash,
	endHash,
	HashIndex,
} from "../../platform/hash-index.ts";
import { IntRows } from "../../platform/int-rows.ts";

const LOW = 0;
const HIGH = 1;
const PLACE = 2; // and 3: a double
const STRIDE = 4;

export class MessageIndex {
	readonly #rows = new IntRows(STRIDE);
	readonly #index = new HashIndex((row) =>
		hash(this.#rows.get(row, LOW), this.#rows.get(row, HIGH)),
	);

	get size(): number {
		return this.#rows.size;
	}

	/** Of two with one id the first counts. */
	add(id: bigint, at: number): void {
		if (this.find(id) !== -1) return;
		const row = this.#rows.allocate();
		this.#rows.set(row, LOW, lowOf(id));
		this.#rows.set(row, HIGH, highOf(id));
		this.#rows.setDouble(row, PLACE, at);
		this.#index.add(row);
	}

	/** @returns -1 when it is not there */
	find(id: bigint): number {
		const [low, high] = [lowOf(id), highOf(id)];
		let slot = this.#index.first(hash(low, high));
		for (;;) {
			const row = this.#index.rowAt(slot);
			if (row === 0) return -1;
			if (
				this.#rows.get(row, LOW) === low &&
				this.#rows.get(row, HIGH) === high
			)
				return this.#rows.getDouble(row, PLACE);
			slot = this.#index.next(slot);
		}
	}
}

function lowOf(id: bigint): number {
	return Number(BigInt.asIntN(32, id));
}

function highOf(id: bigint): number {
	return Number(BigInt.asIntN(32, id >> 32n));
}

function hash(low: number, high: number): number {
	return endHash(addToHash(addToHash(beginHash(0), low), high));
}
