import type { DamagedFile } from "./damaged-file.ts";
import { TreePage } from "./tree-page.ts";

/**
 * Which table a page belongs to, found in two ways: down from the tables' roots, and up
 * by the pointer map that files with auto_vacuum have (each page's kind and parent). The
 * second still works where the pages between are lost, and knows which pages were free:
 * rows that had been deleted do not come back. Worker thread only.
 */

const ENTRY_BYTES = 5;
const MapKind = { Root: 1, Free: 2, Tree: 5 } as const;
/** SQLite never uses the page at 1 GiB. */
const LOCK_OFFSET = 0x40000000;
const MAX_DEPTH = 20;
/** Trees by number; a table's place in the list of tables, or beyond it for others. */
export const NO_OWNER = -1;
export const FREE = -2;

export class PageOwners {
	readonly #file: DamagedFile;
	readonly #roots: ReadonlyMap<number, number>;
	readonly #walked: Int16Array;
	readonly #maps = new Map<number, Buffer | null>();

	/** @param roots root page -> number of the tree */
	constructor(file: DamagedFile, roots: ReadonlyMap<number, number>) {
		this.#file = file;
		this.#roots = roots;
		this.#walked = new Int16Array(file.pageCount + 1).fill(NO_OWNER);
		for (const [root, tree] of roots) this.#walk(root, tree);
	}

	/** The tree that leads to the page; {@link NO_OWNER} when none does. */
	walked(page: number): number {
		return this.#walked[page] ?? NO_OWNER;
	}

	/** The tree that the pointer map leads to; {@link FREE} for an unused page. */
	mapped(page: number): number {
		let at = page;
		for (let depth = 0; depth < MAX_DEPTH; depth++) {
			const entry = this.#entry(at);
			if (entry === null) return NO_OWNER;
			const [kind, parent] = entry;
			if (kind === MapKind.Root) return this.#roots.get(at) ?? NO_OWNER;
			if (kind === MapKind.Free && at === page) return FREE;
			if (kind !== MapKind.Tree) return NO_OWNER;
			at = parent;
		}
		return NO_OWNER;
	}

	/** Whether the page is part of the pointer map itself. */
	isMap(page: number): boolean {
		return page > 1 && this.#mapOf(page) === page;
	}

	#walk(root: number, tree: number): void {
		const bytes = Buffer.alloc(this.#file.pageBytes);
		const waiting = [root];
		for (;;) {
			const number = waiting.pop();
			if (number === undefined) return;
			if (number < 1 || number > this.#file.pageCount) continue;
			if (this.#walked[number] !== NO_OWNER) continue;
			this.#walked[number] = tree;
			const page = this.#file.read(number, bytes);
			if (page === null) continue;
			waiting.push(
				...(TreePage.of(this.#file, page, number)?.children() ?? []),
			);
		}
	}

	#entry(page: number): [kind: number, parent: number] | null {
		if (page < 2 || page > this.#file.pageCount) return null;
		const number = this.#mapOf(page);
		const map = this.#map(number);
		const at = ENTRY_BYTES * (page - number - 1);
		if (map === null || at < 0 || at + ENTRY_BYTES > map.length) return null;
		return [map.readUInt8(at), map.readUInt32BE(at + 1)];
	}

	#mapOf(page: number): number {
		const { pageBytes } = this.#file;
		const span = Math.floor(pageBytes / ENTRY_BYTES) + 1;
		const map = Math.floor((page - 2) / span) * span + 2;
		return map === LOCK_OFFSET / pageBytes + 1 ? map + 1 : map;
	}

	#map(number: number): Buffer | null {
		let map = this.#maps.get(number);
		if (map === undefined) {
			map = this.#file.read(number, Buffer.alloc(this.#file.pageBytes));
			this.#maps.set(number, map);
		}
		return map;
	}
}
