/**
 * Writes and reads the store's own binary form: batches on their way to the worker,
 * pages on their way back, wills in their column. Little-endian, no padding.
 *
 * Both sides are the same build, so the form carries no version; only wills reach the
 * file, and a change of their form needs a migration.
 */

const SMALLEST_BYTES = 4096;
/** One for all: a view of nothing costs as much as any other. */
const NO_BYTES = Buffer.alloc(0);

export class ByteWriter {
	#bytes: Buffer;
	#view: DataView;
	#length = 0;

	/** @param memory an earlier buffer to write into, grown when it is too small */
	constructor(memory: ArrayBuffer | null = null) {
		const store = memory ?? new ArrayBuffer(SMALLEST_BYTES);
		this.#bytes = Buffer.from(store);
		this.#view = new DataView(store);
	}

	get length(): number {
		return this.#length;
	}

	u8(value: number): void {
		this.#reserve(1);
		this.#view.setUint8(this.#length, value);
		this.#length += 1;
	}

	u16(value: number): void {
		this.#reserve(2);
		this.#view.setUint16(this.#length, value, true);
		this.#length += 2;
	}

	u32(value: number): void {
		this.#reserve(4);
		this.#view.setUint32(this.#length, value, true);
		this.#length += 4;
	}

	/** Any number; integers up to 2^53 are exact. */
	f64(value: number): void {
		this.#reserve(8);
		this.#view.setFloat64(this.#length, value, true);
		this.#length += 8;
	}

	text(value: string): void {
		this.#reserve(4 + value.length * 3);
		const start = this.#length + 4;
		const written = this.#bytes.write(value, start);
		this.#view.setUint32(this.#length, written, true);
		this.#length = start + written;
	}

	bytes(value: Uint8Array): void {
		this.#reserve(4 + value.length);
		this.#view.setUint32(this.#length, value.length, true);
		this.#bytes.set(value, this.#length + 4);
		this.#length += 4 + value.length;
	}

	/** Begins again in the same memory, unless that has grown beyond `keepBytes`. */
	reset(keepBytes: number): void {
		this.#length = 0;
		if (this.#bytes.length <= keepBytes) return;
		const store = new ArrayBuffer(SMALLEST_BYTES);
		this.#bytes = Buffer.from(store);
		this.#view = new DataView(store);
	}

	/** Overwrites an earlier {@link u32}. */
	patchU32(position: number, value: number): void {
		this.#view.setUint32(position, value, true);
	}

	/** The memory written to, {@link length} bytes of it in use. The writer is done. */
	take(): ArrayBuffer {
		return this.#bytes.buffer as ArrayBuffer;
	}

	/** A copy of exactly what was written, in memory of its own. */
	toBuffer(): Buffer {
		const copy = Buffer.allocUnsafeSlow(this.#length);
		this.#bytes.copy(copy, 0, 0, this.#length);
		return copy;
	}

	#reserve(more: number): void {
		const needed = this.#length + more;
		if (needed <= this.#bytes.length) return;
		const grown = Buffer.allocUnsafeSlow(
			Math.max(needed, this.#bytes.length * 2),
		);
		this.#bytes.copy(grown, 0, 0, this.#length);
		this.#bytes = grown;
		this.#view = new DataView(grown.buffer);
	}
}

/** Reads what {@link ByteWriter} wrote. Buffers it returns are views of the memory read. */
export class ByteReader {
	readonly #bytes: Buffer;
	readonly #view: DataView;
	readonly #end: number;
	#position = 0;

	constructor(memory: ArrayBufferLike, offset: number, length: number) {
		this.#bytes = Buffer.from(memory, offset, length);
		this.#view = new DataView(memory, offset, length);
		this.#end = length;
	}

	get isAtEnd(): boolean {
		return this.#position >= this.#end;
	}

	u8(): number {
		return this.#view.getUint8(this.#position++);
	}

	u16(): number {
		const value = this.#view.getUint16(this.#position, true);
		this.#position += 2;
		return value;
	}

	u32(): number {
		const value = this.#view.getUint32(this.#position, true);
		this.#position += 4;
		return value;
	}

	f64(): number {
		const value = this.#view.getFloat64(this.#position, true);
		this.#position += 8;
		return value;
	}

	text(): string {
		const length = this.u32();
		const start = this.#position;
		this.#position += length;
		return this.#bytes.toString("utf8", start, this.#position);
	}

	bytes(): Buffer {
		const length = this.u32();
		if (length === 0) return NO_BYTES;
		const start = this.#position;
		this.#position += length;
		return this.#bytes.subarray(start, this.#position);
	}
}
