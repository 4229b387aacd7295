import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { EMPTY_LOG, FRAME_HEADER_BYTES, type LogScan } from "./log-frames.ts";

/**
 * The pages of a database file and its write-ahead log, read without SQLite and without
 * changing a byte. Where the file's header makes no sense, the values that the broker
 * creates its files with are taken. Worker thread only.
 */

const MAGIC = Buffer.from("SQLite format 3\u0000");
const DEFAULT_PAGE_BYTES = 4096;

export class DamagedFile {
	readonly pageBytes: number;
	/** The number of the last page. */
	readonly pageCount: number;
	/** `user_version` and `application_id`; 0 when the first page cannot be read. */
	readonly userVersion: number;
	readonly applicationId: number;
	readonly #file: number | null;
	readonly #fileBytes: number;
	readonly #logFile: number | null;
	readonly #log: LogScan;

	/** @param log of the file `path-wal` */
	constructor(path: string, log: LogScan) {
		this.#file = open(path);
		this.#fileBytes = this.#file === null ? 0 : fstatSync(this.#file).size;
		this.#logFile = log === EMPTY_LOG ? null : open(`${path}-wal`);
		this.#log = log;
		const raw = this.#readFrom(this.#file, 0, Buffer.alloc(100));
		this.pageBytes = pageBytesOf(raw) ?? (log.pageBytes || DEFAULT_PAGE_BYTES);
		const first = this.read(1, Buffer.alloc(this.pageBytes));
		const isHeader = first?.subarray(0, MAGIC.length).equals(MAGIC) ?? false;
		const header = isHeader ? first : null;
		this.userVersion = header?.readUInt32BE(60) ?? 0;
		this.applicationId = header?.readUInt32BE(68) ?? 0;
		const inFile = Math.floor(this.#fileBytes / this.pageBytes);
		const claimed = log.pageCount || (header?.readUInt32BE(28) ?? 0);
		const highest = Math.max(inFile, ...tail(log.pages.keys()));
		this.pageCount = claimed > 0 && claimed <= highest ? claimed : highest;
	}

	/** Fills `target` with a page; null when there is none or the disk does not give it. */
	read(page: number, target: Buffer): Buffer | null {
		const place = this.#log.pages.get(page);
		if (place !== undefined && this.#log.pageBytes === this.pageBytes)
			return this.#readFrom(this.#logFile, place + FRAME_HEADER_BYTES, target);
		return this.#readFrom(this.#file, (page - 1) * this.pageBytes, target);
	}

	close(): void {
		if (this.#file !== null) closeSync(this.#file);
		if (this.#logFile !== null) closeSync(this.#logFile);
	}

	#readFrom(file: number | null, offset: number, into: Buffer): Buffer | null {
		if (file === null || offset < 0) return null;
		try {
			const length = readSync(file, into, 0, into.length, offset);
			return length === into.length ? into : null;
		} catch {
			return null; // A bad sector: this page is lost, others may not be.
		}
	}
}

function open(path: string): number | null {
	try {
		return openSync(path, "r");
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
		throw error;
	}
}

function pageBytesOf(header: Buffer | null): number | null {
	if (header === null || !header.subarray(0, MAGIC.length).equals(MAGIC))
		return null;
	const bytes = header.readUInt16BE(16);
	const isPower = bytes >= 512 && (bytes & (bytes - 1)) === 0;
	return isPower ? bytes : null;
}

/** The largest of many numbers, as a list of at most one. */
function tail(numbers: Iterable<number>): number[] {
	let largest = 0;
	for (const number of numbers) largest = Math.max(largest, number);
	return [largest];
}
