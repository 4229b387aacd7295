import Sqlite, { type Database } from "better-sqlite3";
import { APPLICATION_ID, migrate, SCHEMA_VERSION } from "../schema.ts";
import { DamagedFile } from "./damaged-file.ts";
import { EMPTY_LOG, type LogScan, scanLog } from "./log-frames.ts";
import { type Mended, mend } from "./mend.ts";
import { FREE, NO_OWNER, PageOwners } from "./page-owners.ts";
import { type SavedRow, TableShape } from "./table-shape.ts";
import { PageKind, TreePage } from "./tree-page.ts";

/**
 * Saves every row of a damaged database that can still be read into a new one.
 *
 * The old file is not opened by SQLite, which gives up a table at the first bad page: all
 * pages are read one by one, each leaf is taken for itself, and what leads to it need not
 * be readable. Worker thread only; takes as long as reading the file does.
 */

const CACHE_KIBIBYTES = 16 * 1024;

export interface Salvaged extends Mended {
	/** Table -> rows that were saved. */
	readonly rows: ReadonlyMap<string, number>;
	/** Table -> its pages that cannot be read. */
	readonly lostPages: ReadonlyMap<string, number>;
	/** Single rows that made no sense. */
	readonly lostRows: number;
	/** False when nothing in it was written by the broker. */
	readonly isOurs: boolean;
}

/**
 * @param path of the damaged file; it is not changed
 * @param target path of a file that does not exist
 * @throws Error of the disk or of SQLite, when the new file cannot be written
 */
export function salvage(
	path: string,
	target: string,
	nativeBinding: string | null,
): Salvaged {
	const log = scanQuietly(`${path}-wal`);
	const file = new DamagedFile(path, log);
	const database = new Sqlite(
		target,
		nativeBinding === null ? {} : { nativeBinding },
	);
	try {
		database.pragma("auto_vacuum = INCREMENTAL");
		// The file counts only when it is complete: nothing of it has to survive a crash.
		database.pragma("locking_mode = EXCLUSIVE");
		database.pragma("journal_mode = OFF");
		database.pragma("synchronous = OFF");
		database.pragma("temp_store = MEMORY");
		database.pragma(`cache_size = -${CACHE_KIBIBYTES}`);
		return new Salvage(file, database).run();
	} finally {
		database.close();
		file.close();
	}
}

function scanQuietly(path: string): LogScan {
	try {
		return scanLog(path);
	} catch {
		return EMPTY_LOG; // A log that the disk does not give: the file alone, then.
	}
}

class Salvage {
	readonly #file: DamagedFile;
	readonly #database: Database;
	readonly #version: number;
	readonly #tables: readonly TableShape[];
	readonly #owners: PageOwners;
	readonly #rows = new Map<string, number>();
	/** Its header or its list of tables says so. */
	#isOurs = false;
	/** It says that it belongs to another program. */
	#isForeign = false;
	readonly #lostPages = new Map<string, number>();
	#lostRows = 0;

	constructor(file: DamagedFile, database: Database) {
		this.#file = file;
		this.#database = database;
		const { userVersion } = file;
		const isKnown = userVersion >= 1 && userVersion <= SCHEMA_VERSION;
		this.#version = isKnown ? userVersion : SCHEMA_VERSION;
		migrate(database, 0, this.#version);
		this.#tables = TableShape.allOf(database);
		this.#owners = new PageOwners(file, this.#findRoots());
	}

	run(): Salvaged {
		const mended = this.#database.transaction(() => {
			const pages = this.#isForeign ? 0 : this.#file.pageCount;
			// What the trees lead to is newer than any other copy of it, so it comes first.
			for (const walked of [true, false])
				for (let page = 2; page <= pages; page++)
					if ((this.#owners.walked(page) !== NO_OWNER) === walked)
						this.#takePage(page);
			migrate(this.#database, this.#version);
			return mend(this.#database, this.#lostPages.has("subscription"));
		})();
		for (const { name } of this.#tables)
			this.#rows.set(name, this.#count(name));
		return {
			...mended,
			rows: this.#rows,
			lostPages: this.#lostPages,
			lostRows: this.#lostRows,
			isOurs: this.#isOurs || this.#hasRows,
		};
	}

	get #hasRows(): boolean {
		return this.#tables.some(
			({ name }) => name !== "meta" && (this.#rows.get(name) ?? 0) > 0,
		);
	}

	#count(table: string): number {
		const sql = `SELECT count(*) FROM ${table}`;
		return Number(this.#database.prepare(sql).pluck().get());
	}

	/** Root page -> number of the tree; trees that are no table of ours have other numbers. */
	#findRoots(): Map<number, number> {
		const roots = new Map<number, number>();
		const found = this.#readSchema();
		const names = new Set(found.map(([name]) => name));
		const ours = this.#tables.filter(({ name }) => names.has(name));
		this.#isOurs =
			ours.length > 1 || this.#file.applicationId === APPLICATION_ID;
		this.#isForeign = found.length > 0 && !this.#isOurs;
		for (const [name, root] of found) {
			const index = this.#tables.findIndex((table) => table.name === name);
			roots.set(root, index === -1 ? this.#tables.length + roots.size : index);
		}
		// Tables are made in one order, so their roots are where a new file has them.
		for (const [index, { name, rootPage }] of this.#tables.entries())
			if (!names.has(name) && !roots.has(rootPage)) roots.set(rootPage, index);
		return roots;
	}

	/** Names and roots of all trees, as far as the first page tells. */
	#readSchema(): Array<[name: string, root: number]> {
		const bytes = Buffer.alloc(this.#file.pageBytes);
		const found: Array<[string, number]> = [];
		const waiting = [1];
		const seen = new Set<number>();
		for (;;) {
			const number = waiting.pop();
			if (number === undefined) return found;
			if (seen.has(number)) continue;
			seen.add(number);
			const raw = this.#file.read(number, bytes);
			const page = raw === null ? null : TreePage.of(this.#file, raw, number);
			if (page === null) continue;
			waiting.push(...page.children());
			if (page.kind !== PageKind.TableLeaf) continue;
			for (let index = 0; index < page.cellCount; index++) {
				const [type, name, , root] = page.cell(index)?.values ?? [];
				const isTree = type === "table" || type === "index";
				if (isTree && typeof name === "string" && typeof root === "number")
					found.push([name, root]);
			}
		}
	}

	#takePage(number: number): void {
		if (this.#owners.isMap(number)) return;
		const walked = this.#owners.walked(number);
		const mapped = this.#owners.mapped(number);
		if (walked === NO_OWNER && mapped === FREE) return;
		const owners = [walked, mapped]
			.map((tree) => this.#tables[tree])
			.filter((table) => table !== undefined);
		const raw = this.#file.read(number, Buffer.alloc(this.#file.pageBytes));
		const page = raw === null ? null : TreePage.of(this.#file, raw, number);
		if (page === null) {
			this.#losePage(owners);
			return;
		}
		if (page.kind === PageKind.TableInterior) return;
		this.#takeRows(page, owners);
	}

	#takeRows(page: TreePage, owners: readonly TableShape[]): void {
		for (const table of [...owners, ...this.#tables]) {
			if (!table.holdsRows(page.kind)) continue;
			const rows = readRows(page, table);
			const isOwner = owners.includes(table);
			// Without a known owner most rows have to fit, not just some.
			const isFit = isOwner
				? rows.length > 0
				: rows.length > 0 && rows.length * 2 >= page.cellCount;
			if (!isFit) continue;
			for (const row of rows) table.insert(row);
			this.#lostRows += page.cellCount - rows.length;
			return;
		}
		if (page.cellCount > 0) this.#losePage(owners);
	}

	#losePage([owner]: readonly TableShape[]): void {
		if (owner === undefined) return;
		const lost = this.#lostPages.get(owner.name) ?? 0;
		this.#lostPages.set(owner.name, lost + 1);
	}
}

function readRows(page: TreePage, table: TableShape): SavedRow[] {
	const rows: SavedRow[] = [];
	for (let index = 0; index < page.cellCount; index++) {
		const cell = page.cell(index);
		const row = cell === null ? null : table.rowOf(cell);
		if (row !== null) rows.push(row);
	}
	return rows;
}
