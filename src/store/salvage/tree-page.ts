import { isUtf8 } from "node:buffer";
import type { DamagedFile } from "./damaged-file.ts";

/**
 * The pages of SQLite's trees, taken apart by hand: children, cells, records. Nothing in
 * them is believed: whatever points outside or does not add up is a cell that is lost.
 * Worker thread only.
 */

export const PageKind = {
	/** Holds rows of an index or of a table WITHOUT ROWID, and children. */
	IndexInterior: 2,
	TableInterior: 5,
	IndexLeaf: 10,
	TableLeaf: 13,
} as const;
export type PageKind = (typeof PageKind)[keyof typeof PageKind];

export type Value = number | bigint | string | Buffer | null;

export interface Cell {
	/** null on pages of an index. */
	readonly rowid: number | bigint | null;
	readonly values: readonly Value[];
}

interface Varint {
	readonly value: number | bigint;
	readonly end: number;
}

const FIRST_PAGE_HEADER = 100;

export class TreePage {
	readonly kind: PageKind;
	readonly cellCount: number;
	readonly #file: DamagedFile;
	readonly #bytes: Buffer;
	readonly #start: number;

	private constructor(
		file: DamagedFile,
		bytes: Buffer,
		start: number,
		kind: PageKind,
	) {
		this.#file = file;
		this.#bytes = bytes;
		this.#start = start;
		this.kind = kind;
		const most = Math.floor((bytes.length - start) / 4);
		this.cellCount = Math.min(bytes.readUInt16BE(start + 3), most);
	}

	/** null when it is no page of a tree. */
	static of(file: DamagedFile, bytes: Buffer, number: number): TreePage | null {
		const start = number === 1 ? FIRST_PAGE_HEADER : 0;
		const kind = bytes[start];
		if (
			kind !== PageKind.IndexInterior &&
			kind !== PageKind.TableInterior &&
			kind !== PageKind.IndexLeaf &&
			kind !== PageKind.TableLeaf
		)
			return null;
		return new TreePage(file, bytes, start, kind);
	}

	get isInterior(): boolean {
		return (
			this.kind === PageKind.IndexInterior ||
			this.kind === PageKind.TableInterior
		);
	}

	/** Pages below this one; some may be nonsense. */
	children(): number[] {
		if (!this.isInterior) return [];
		const children = [this.#bytes.readUInt32BE(this.#start + 8)];
		for (let index = 0; index < this.cellCount; index++) {
			const at = this.#cellAt(index);
			if (at !== null && at + 4 <= this.#bytes.length)
				children.push(this.#bytes.readUInt32BE(at));
		}
		return children;
	}

	/** null for a cell that makes no sense. */
	cell(index: number): Cell | null {
		const at = this.#cellAt(index);
		if (at === null || this.kind === PageKind.TableInterior) return null;
		const from = this.kind === PageKind.IndexInterior ? at + 4 : at;
		const size = readVarint(this.#bytes, from);
		if (size === null || typeof size.value === "bigint") return null;
		let rowid: Varint | null = null;
		let start = size.end;
		if (this.kind === PageKind.TableLeaf) {
			rowid = readVarint(this.#bytes, start);
			if (rowid === null) return null;
			start = rowid.end;
		}
		const payload = this.#payload(start, size.value);
		const values = payload === null ? null : readRecord(payload);
		return values === null ? null : { rowid: rowid?.value ?? null, values };
	}

	#cellAt(index: number): number | null {
		const pointers = this.#start + (this.isInterior ? 12 : 8);
		const place = pointers + 2 * index;
		if (place + 2 > this.#bytes.length) return null;
		const at = this.#bytes.readUInt16BE(place);
		return at < pointers || at >= this.#bytes.length ? null : at;
	}

	/** The bytes of a record, those on overflow pages included. */
	#payload(start: number, size: number): Buffer | null {
		const usable = this.#bytes.length;
		const local = localBytes(size, usable, this.kind === PageKind.TableLeaf);
		if (start + local > usable) return null;
		const first = this.#bytes.subarray(start, start + local);
		if (local === size) return first;
		if (start + local + 4 > usable) return null;
		if (size > this.#file.pageCount * usable) return null;
		const parts = [first];
		let missing = size - local;
		let next = this.#bytes.readUInt32BE(start + local);
		while (missing > 0) {
			if (next < 2 || next > this.#file.pageCount) return null;
			const page = this.#file.read(next, Buffer.allocUnsafe(usable));
			if (page === null) return null;
			const part = page.subarray(4, 4 + missing);
			parts.push(part);
			missing -= part.length;
			next = page.readUInt32BE(0);
		}
		return next === 0 ? Buffer.concat(parts) : null;
	}
}

/** How much of a record is on its own page; the file format's own formula. */
function localBytes(size: number, usable: number, isTable: boolean): number {
	const most = isTable
		? usable - 35
		: Math.floor(((usable - 12) * 64) / 255) - 23;
	if (size <= most) return size;
	const least = Math.floor(((usable - 12) * 32) / 255) - 23;
	const wanted = least + ((size - least) % (usable - 4));
	return wanted <= most ? wanted : least;
}

/** null when the header and the content do not add up. */
function readRecord(payload: Buffer): Value[] | null {
	const header = readVarint(payload, 0);
	if (header === null || header.value > payload.length) return null;
	const types: number[] = [];
	let at = header.end;
	while (at < header.value) {
		const type = readVarint(payload, at);
		if (type === null || typeof type.value === "bigint") return null;
		types.push(type.value);
		at = type.end;
	}
	if (at !== header.value) return null;
	const values: Value[] = [];
	for (const type of types) {
		const bytes = contentBytes(type);
		if (bytes === null || at + bytes > payload.length) return null;
		const value = readValue(payload, at, type, bytes);
		if (value === undefined) return null;
		values.push(value);
		at += bytes;
	}
	return at === payload.length ? values : null;
}

function contentBytes(type: number): number | null {
	if (type >= 12) return Math.floor((type - 12) / 2);
	return [0, 1, 2, 3, 4, 6, 8, 8, 0, 0][type] ?? null;
}

/** undefined for text that is none. */
function readValue(
	bytes: Buffer,
	at: number,
	type: number,
	length: number,
): Value | undefined {
	if (type === 0) return null;
	if (type === 7) return bytes.readDoubleBE(at);
	if (type === 8 || type === 9) return type - 8;
	if (type === 6) return small(bytes.readBigInt64BE(at));
	if (type < 6) return bytes.readIntBE(at, length);
	const content = bytes.subarray(at, at + length);
	if (type % 2 === 0) return Buffer.from(content);
	return isUtf8(content) ? content.toString() : undefined;
}

/** Seven bits a byte, the most significant first; the ninth byte counts in full. */
function readVarint(bytes: Buffer, from: number): Varint | null {
	let value = 0;
	for (let length = 1; length <= 7; length++) {
		const byte = bytes[from + length - 1];
		if (byte === undefined) return null;
		value = value * 128 + (byte & 0x7f);
		if (byte < 0x80) return { value, end: from + length };
	}
	const [eighth, ninth] = [bytes[from + 7], bytes[from + 8]];
	if (eighth === undefined) return null;
	let large = (BigInt(value) << 7n) | BigInt(eighth & 0x7f);
	if (eighth < 0x80) return { value: small(large), end: from + 8 };
	if (ninth === undefined) return null;
	large = BigInt.asIntN(64, (large << 8n) | BigInt(ninth));
	return { value: small(large), end: from + 9 };
}

function small(value: bigint): number | bigint {
	const number = Number(value);
	return Number.isSafeInteger(number) ? number : value;
}
