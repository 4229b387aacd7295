/**
 * Short texts outside V8's heap, one byte a character where that is enough. A text is a
 * place and a word (its length, and how it is written), which the owner keeps. What is
 * released leaves a hole; when holes take the most, the owner moves everything.
 */
import { addToHash, beginHash, endHash } from "./hash-index.ts";

/** Holds the longest text of MQTT, 65,535 characters of two bytes. */
const CHUNK_BYTES = 128 * 1024;
const LEAST_GARBAGE_BYTES = 2 * CHUNK_BYTES;
const WIDE = 2;
/** A word is never 0. */
const PRESENT = 1;

export class TextStore {
	#chunks: Buffer[] = [];
	/** Where the next text goes, in the last chunk. */
	#end = CHUNK_BYTES;
	#usedBytes = 0;
	#garbageBytes = 0;

	/** In use, without holes. */
	get bytes(): number {
		return this.#usedBytes - this.#garbageBytes;
	}

	/** The word of a text: for {@link add} and {@link read}. */
	static wordOf(text: string): number {
		return (text.length << 2) | (isWide(text) ? WIDE : 0) | PRESENT;
	}

	/** @returns the place */
	add(text: string, word: number): number {
		const bytes = byteLength(word);
		if (bytes === 0) return 0;
		const place = this.#room(bytes);
		const chunk = this.#chunks[this.#chunks.length - 1] as Buffer;
		const at = place % CHUNK_BYTES;
		chunk.write(text, at, bytes, (word & WIDE) === 0 ? "latin1" : "utf16le");
		return place;
	}

	read(place: number, word: number): string {
		if (word >>> 2 === 0) return "";
		const at = place % CHUNK_BYTES;
		const chunk = this.#chunks[Math.floor(place / CHUNK_BYTES)] as Buffer;
		const end = at + byteLength(word);
		return (word & WIDE) === 0
			? chunk.toString("latin1", at, end)
			: chunk.toString("utf16le", at, end);
	}

	/** Whether the text is what stands in `other` from `from` to `end`. */
	equals(
		place: number,
		word: number,
		other: string,
		from: number,
		end: number,
	): boolean {
		const length = word >>> 2;
		if (end - from !== length) return false;
		if (length === 0) return true;
		const chunk = this.#chunks[Math.floor(place / CHUNK_BYTES)] as Buffer;
		const at = place % CHUNK_BYTES;
		if ((word & WIDE) !== 0) {
			return (
				chunk.toString("utf16le", at, at + 2 * length) ===
				other.slice(from, end)
			);
		}
		for (let i = 0; i < length; i++) {
			if (chunk[at + i] !== other.charCodeAt(from + i)) return false;
		}
		return true;
	}

	/** As {@link hashText} of the text. */
	hash(place: number, word: number, salt: number): number {
		let hash = beginHash(salt);
		const bytes = byteLength(word);
		if (bytes === 0) return endHash(hash);
		const chunk = this.#chunks[Math.floor(place / CHUNK_BYTES)] as Buffer;
		const at = place % CHUNK_BYTES;
		if ((word & WIDE) === 0) {
			for (let i = at; i < at + bytes; i++)
				hash = addToHash(hash, chunk[i] as number);
		} else {
			for (let i = at; i < at + bytes; i += 2)
				hash = addToHash(hash, chunk.readUInt16LE(i));
		}
		return endHash(hash);
	}

	release(word: number): void {
		this.#garbageBytes += byteLength(word);
	}

	/** Time for {@link compact}. */
	get isMostlyGarbage(): boolean {
		return (
			this.#garbageBytes > LEAST_GARBAGE_BYTES &&
			this.#garbageBytes > this.#usedBytes / 2
		);
	}

	/** @param moveAll calls `move` for each text there is and keeps its new place */
	compact(
		moveAll: (move: (place: number, word: number) => number) => void,
	): void {
		const old = this.#chunks;
		this.#chunks = [];
		this.#end = CHUNK_BYTES;
		this.#usedBytes = 0;
		this.#garbageBytes = 0;
		moveAll((place, word) => {
			const bytes = byteLength(word);
			if (bytes === 0) return 0;
			const to = this.#room(bytes);
			const from = place % CHUNK_BYTES;
			const source = old[Math.floor(place / CHUNK_BYTES)] as Buffer;
			const target = this.#chunks[this.#chunks.length - 1] as Buffer;
			source.copy(target, to % CHUNK_BYTES, from, from + bytes);
			return to;
		});
	}

	/** Of the last chunk, which this may make. */
	#room(bytes: number): number {
		if (this.#end + bytes > CHUNK_BYTES) {
			this.#chunks.push(Buffer.allocUnsafeSlow(CHUNK_BYTES));
			this.#end = 0;
		}
		const place = (this.#chunks.length - 1) * CHUNK_BYTES + this.#end;
		this.#end += bytes;
		this.#usedBytes += bytes;
		return place;
	}
}

function byteLength(word: number): number {
	return (word & WIDE) === 0 ? word >>> 2 : (word >>> 2) * 2;
}

function isWide(text: string): boolean {
	for (let at = 0; at < text.length; at++) {
		if (text.charCodeAt(at) > 0xff) return true;
	}
	return false;
}
