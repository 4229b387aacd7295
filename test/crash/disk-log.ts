/**
 * The log of a virtual disk's writes and flushes (the format of dm-log-writes), read while
 * the machine goes on. How many flushes it holds is the clock by which what happened outside
 * is set against what was on the disk.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

const MAGIC = 0x6a736677736872n;
const HEADER_BYTES = 32;
const FLUSH = 1n;
const FUA = 2n;
const DISCARD = 4n;
const MARK = 8n;
/** An entry that others lie behind is being written; so long at most, in ms. */
const PATIENCE_MS = 2000;

export interface DiskWrite {
	/** Where it goes on the disk, in bytes. */
	readonly at: number;
	readonly bytes: number;
	/** Where its bytes are in the log. */
	readonly data: number;
}

export class DiskLog {
	readonly file: number;
	readonly writes: DiskWrite[] = [];
	/** For each flush how many writes there were before it. */
	readonly flushes: number[] = [];
	readonly #header = Buffer.alloc(HEADER_BYTES);
	#sectorBytes = 0;
	#position = 0;

	constructor(path: string) {
		this.file = openSync(path, "r");
	}

	close(): void {
		closeSync(this.file);
	}

	/** Reads on; returns how many flushes have been logged by now. */
	count(): number {
		const { size } = fstatSync(this.file);
		if (this.#sectorBytes === 0 && !this.#readSuperblock(size)) return 0;
		while (this.#position + this.#sectorBytes <= size) this.#readEntry();
		return this.flushes.length;
	}

	#readSuperblock(size: number): boolean {
		if (size < 512) return false;
		const block = Buffer.alloc(512);
		readSync(this.file, block, 0, block.length, 0);
		if (block.readBigUInt64LE(0) !== MAGIC) throw new Error("no write log");
		this.#sectorBytes = block.readUInt32LE(24) || 512;
		this.#position = this.#sectorBytes;
		return true;
	}

	#readEntry(): void {
		const header = this.#header;
		const deadline = performance.now() + PATIENCE_MS;
		do {
			readSync(this.file, header, 0, HEADER_BYTES, this.#position);
			if (performance.now() > deadline)
				throw new Error(`the write log has a hole at ${this.#position}`);
		} while (header.every((byte) => byte === 0));
		const sectorBytes = this.#sectorBytes;
		const sectors = Number(header.readBigUInt64LE(8));
		const flags = header.readBigUInt64LE(16);
		const data = this.#position + sectorBytes;
		const hasData = (flags & (DISCARD | MARK)) === 0n;
		const bytes = hasData ? sectors * sectorBytes : 0;
		const at = Number(header.readBigUInt64LE(0)) * sectorBytes;
		if (bytes > 0) this.writes.push({ at, bytes, data });
		if ((flags & (FLUSH | FUA)) !== 0n) this.flushes.push(this.writes.length);
		this.#position = data + bytes;
	}
}
