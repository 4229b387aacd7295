import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/**
 * Reads SQLite's write-ahead log without SQLite: which pages it holds, and whether it was
 * damaged after it had been written. SQLite itself stops at the first frame whose
 * checksum is wrong and takes what is behind it for never written, without a word. Each
 * frame's checksum goes on from the one before, so that every frame can be proved good
 * by itself and its neighbour. Worker thread only.
 */

const HEADER_BYTES = 32;
export const FRAME_HEADER_BYTES = 24;
/** The lowest bit of the magic number tells the byte order of the checksums. */
const MAGIC = 0x377f0682;
const DEFAULT_PAGE_BYTES = 4096;

export interface LogScan {
	/** Page -> where its newest good copy begins in the log. */
	readonly pages: ReadonlyMap<number, number>;
	readonly pageBytes: number;
	/** Length of the database in pages after the last commit; 0 when there is none. */
	readonly pageCount: number;
	/** A commit that had reached the disk lies behind a bad frame: SQLite would not see it. */
	readonly isDamaged: boolean;
}

export const EMPTY_LOG: LogScan = {
	pages: new Map(),
	pageBytes: 0,
	pageCount: 0,
	isDamaged: false,
};

type Sum = readonly [number, number];

/** @throws Error of the file system, not for a missing file */
export function scanLog(path: string): LogScan {
	let file: number;
	try {
		file = openSync(path, "r");
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return EMPTY_LOG;
		throw error;
	}
	try {
		return new LogScanner(file).scan();
	} finally {
		closeSync(file);
	}
}

class LogScanner {
	readonly #file: number;
	readonly #pages = new Map<number, number>();
	#pageBytes = DEFAULT_PAGE_BYTES;
	#isLittleEndian = true;
	/** The checksum that the next frame goes on from; null when nothing is known. */
	#sum: Sum | null = null;
	/** Two random numbers that all frames of this round have in common. */
	#salts: Sum | null = null;
	/** Good frames of a transaction whose commit has not come yet: page, offset. */
	#open: Array<[number, number]> = [];
	#pageCount = 0;
	#hasGap = false;
	#commitsAfterGap = 0;
	#isDamaged = false;

	constructor(file: number) {
		this.#file = file;
	}

	scan(): LogScan {
		const size = fstatSync(this.#file).size;
		if (size < HEADER_BYTES) return EMPTY_LOG;
		const hasHeader = this.#readHeader();
		const frame = Buffer.alloc(FRAME_HEADER_BYTES + this.#pageBytes);
		for (
			let offset = HEADER_BYTES;
			offset + frame.length <= size;
			offset += frame.length
		) {
			if (readSync(this.#file, frame, 0, frame.length, offset) < frame.length)
				break;
			this.#look(frame, offset);
		}
		return {
			pages: this.#pages,
			pageBytes: this.#pageBytes,
			pageCount: this.#pageCount,
			// Without its header SQLite takes the whole log for an empty one.
			isDamaged: this.#isDamaged || (!hasHeader && this.#pageCount > 0),
		};
	}

	#readHeader(): boolean {
		const header = Buffer.alloc(HEADER_BYTES);
		readSync(this.#file, header, 0, HEADER_BYTES, 0);
		const magic = header.readUInt32BE(0);
		if ((magic & ~1) >>> 0 !== MAGIC) return false;
		this.#isLittleEndian = (magic & 1) === 0;
		const sum = this.#add(header, 0, 24, [0, 0]);
		if (!isEqual(sum, pair(header, 24))) return false;
		this.#sum = sum;
		this.#salts = pair(header, 16);
		this.#pageBytes = header.readUInt32BE(8);
		return true;
	}

	#look(frame: Buffer, offset: number): void {
		const salts = pair(frame, 8);
		const stored = pair(frame, 16);
		const page = frame.readUInt32BE(0);
		this.#salts ??= salts;
		const isGood =
			page > 0 && isEqual(salts, this.#salts) && this.#isSum(frame, stored);
		this.#sum = stored;
		if (!isGood) {
			this.#hasGap = true;
			return;
		}
		// A frame of a later transaction: the one before it had been synced.
		if (this.#commitsAfterGap > 0) this.#isDamaged = true;
		this.#open.push([page, offset]);
		const pageCount = frame.readUInt32BE(4);
		if (pageCount === 0) return;
		for (const [number, place] of this.#open) this.#pages.set(number, place);
		this.#open = [];
		this.#pageCount = pageCount;
		if (this.#hasGap) this.#commitsAfterGap++;
	}

	#isSum(frame: Buffer, stored: Sum): boolean {
		if (this.#sum === null) return true;
		const head = this.#add(frame, 0, 8, this.#sum);
		return isEqual(
			this.#add(frame, FRAME_HEADER_BYTES, frame.length, head),
			stored,
		);
	}

	#add(bytes: Buffer, from: number, to: number, sum: Sum): Sum {
		const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
		let [first, second] = sum;
		for (let at = from; at < to; at += 8) {
			first = (first + view.getUint32(at, this.#isLittleEndian) + second) >>> 0;
			second =
				(second + view.getUint32(at + 4, this.#isLittleEndian) + first) >>> 0;
		}
		return [first, second];
	}
}

function pair(bytes: Buffer, at: number): Sum {
	return [bytes.readUInt32BE(at), bytes.readUInt32BE(at + 4)];
}

function isEqual(a: Sum, b: Sum): boolean {
	return a[0] === b[0] && a[1] === b[1];
}
