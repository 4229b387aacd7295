/**
 * Rows of 32-bit numbers outside V8's heap: what there may be hundreds of thousands of
 * costs its bytes here and nothing for the collector. Rows are numbered from 1 and keep
 * their number; memory comes and goes in chunks, so growing copies nothing.
 *
 *     chunk 0                      chunk 1
 *     | row 1 | row 2 | row 3 |... | row 1025 | ...      row = `stride` numbers
 *
 * A row that is free has 0 in every field but the first, which links it to the next
 * free one: owners tell live rows by a field that is never 0.
 */

const SHIFT = 10;
const ROWS = 1 << SHIFT;
const MASK = ROWS - 1;
const INT_BYTES = 4;

class Chunk {
	readonly ints: Int32Array;
	readonly doubles: Float64Array;
	used = 0;
	/** Rows that were ever used. */
	fresh = 0;
	/** Offset + 1 of the first free row; 0 for none. */
	free = 0;

	constructor(stride: number) {
		const memory = new ArrayBuffer(ROWS * stride * INT_BYTES);
		this.ints = new Int32Array(memory);
		this.doubles = new Float64Array(memory);
	}
}

export class IntRows {
	readonly #stride: number;
	readonly #chunks: (Chunk | null)[] = [];
	/** No chunk before this one has room. */
	#roomFrom = 0;
	#size = 0;

	/** @param stride numbers in a row; even where doubles are among them */
	constructor(stride: number) {
		this.#stride = stride;
	}

	/** Rows in use. */
	get size(): number {
		return this.#size;
	}

	/** Of the rows in use. */
	get bytes(): number {
		return this.#size * this.#stride * INT_BYTES;
	}

	/** No row has a higher number. */
	get lastRow(): number {
		return this.#chunks.length << SHIFT;
	}

	/** @returns a row of zeros */
	allocate(): number {
		let index = this.#roomFrom;
		while ((this.#chunks[index]?.used ?? 0) === ROWS) index++;
		this.#roomFrom = index;
		const chunk = this.#chunks[index] ?? new Chunk(this.#stride);
		this.#chunks[index] = chunk;
		let offset = chunk.free - 1;
		if (offset < 0) offset = chunk.fresh++;
		else {
			const link = offset * this.#stride;
			chunk.free = chunk.ints[link] as number;
			chunk.ints[link] = 0;
		}
		chunk.used++;
		this.#size++;
		return (index << SHIFT) + offset + 1;
	}

	free(row: number): void {
		const index = (row - 1) >> SHIFT;
		const chunk = this.#chunks[index] as Chunk;
		this.#size--;
		this.#roomFrom = Math.min(this.#roomFrom, index);
		if (--chunk.used === 0) {
			this.#chunks[index] = null;
			while (this.#chunks.at(-1) === null) this.#chunks.pop();
			return;
		}
		const offset = (row - 1) & MASK;
		const at = offset * this.#stride;
		chunk.ints.fill(0, at, at + this.#stride);
		chunk.ints[at] = chunk.free;
		chunk.free = offset + 1;
	}

	get(row: number, field: number): number {
		const at = row - 1;
		const { ints } = this.#chunks[at >> SHIFT] as Chunk;
		return ints[(at & MASK) * this.#stride + field] as number;
	}

	set(row: number, field: number, value: number): void {
		const at = row - 1;
		const { ints } = this.#chunks[at >> SHIFT] as Chunk;
		ints[(at & MASK) * this.#stride + field] = value;
	}

	/** The number in two fields, of which `field` is the first and even. */
	getDouble(row: number, field: number): number {
		const at = row - 1;
		const { doubles } = this.#chunks[at >> SHIFT] as Chunk;
		return doubles[((at & MASK) * this.#stride + field) >> 1] as number;
	}

	setDouble(row: number, field: number, value: number): void {
		const at = row - 1;
		const { doubles } = this.#chunks[at >> SHIFT] as Chunk;
		doubles[((at & MASK) * this.#stride + field) >> 1] = value;
	}

	/** As {@link get}, 0 where no row has ever been: for walks over all numbers. */
	peek(row: number, field: number): number {
		const at = row - 1;
		const chunk = this.#chunks[at >> SHIFT] ?? null;
		if (chunk === null) return 0;
		return chunk.ints[(at & MASK) * this.#stride + field] as number;
	}
}
