/**
 * Bytes of a file at any place, read through one buffer: whoever goes through the file
 * from its beginning to its end reads each block once. Reads synchronously: it is for
 * commands, where nothing else waits.
 */
import { fstatSync, readSync } from "node:fs";

const WINDOW_BYTES = 256 * 1024;

export class FileWindow {
	/** Of the file when it was opened, in bytes. */
	readonly size: number;
	/** When it was last written, wall time in ms. */
	readonly writtenAtMs: number;
	readonly #descriptor: number;
	readonly #buffer = Buffer.allocUnsafe(WINDOW_BYTES);
	#start = 0;
	#length = 0;

	/** @param descriptor of an open file, which stays the caller's */
	constructor(descriptor: number) {
		this.#descriptor = descriptor;
		const { size, mtimeMs } = fstatSync(descriptor);
		this.size = size;
		this.writtenAtMs = mtimeMs;
	}

	/**
	 * Up to `length` bytes; fewer at the end of the file. They are valid until the next
	 * call, unless they are more than the window holds: then they are the caller's own.
	 */
	bytes(at: number, length: number): Buffer {
		if (length > WINDOW_BYTES) return this.own(at, length);
		const end = at + length;
		if (at < this.#start || end > this.#start + this.#length) this.#fill(at);
		const from = at - this.#start;
		return this.#buffer.subarray(from, Math.min(from + length, this.#length));
	}

	/** The same in memory of its own; as much as the file has. */
	own(at: number, length: number): Buffer {
		const most = Math.max(0, Math.min(length, this.size - at));
		const own = Buffer.allocUnsafe(most);
		return own.subarray(0, this.#read(own, at));
	}

	#fill(at: number): void {
		this.#start = at;
		this.#length = this.#read(this.#buffer, at);
	}

	#read(into: Buffer, at: number): number {
		let length = 0;
		while (length < into.length) {
			const left = into.length - length;
			const read = readSync(this.#descriptor, into, length, left, at + length);
			if (read === 0) break;
			length += read;
		}
		return length;
	}
}
