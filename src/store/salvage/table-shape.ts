import type { Database, Statement } from "better-sqlite3";
import { plausible } from "./plausible.ts";
import { type Cell, PageKind, type Value } from "./tree-page.ts";

/**
 * What the rows of a table look like in the file, and how they are put into another one.
 * Taken from the schema itself, so that it fits every version of it. Worker thread only.
 */

interface Column {
	readonly name: string;
	readonly type: string;
	readonly notnull: number;
	readonly dflt_value: string | null;
	/** Place in the primary key, from 1; 0 outside it. */
	readonly pk: number;
}

export type SavedRow = readonly Value[];

export class TableShape {
	readonly name: string;
	readonly rootPage: number;
	/** Rows are cells of an index tree. */
	readonly isWithoutRowid: boolean;
	readonly #database: Database;
	/** In the order in which a record holds them. */
	readonly #columns: readonly Column[];
	/** The column that is another name of the rowid; -1 when there is none. */
	readonly #rowidColumn: number;
	/** By the number of columns: rows from before a column was added have fewer. */
	readonly #inserts = new Map<number, Statement>();

	private constructor(database: Database, name: string, rootPage: number) {
		this.#database = database;
		this.name = name;
		this.rootPage = rootPage;
		const [{ wr }] = database.pragma(`table_list(${name})`) as [{ wr: number }];
		this.isWithoutRowid = wr === 1;
		const columns = database.pragma(`table_info(${name})`) as Column[];
		const key = columns.filter(({ pk }) => pk > 0).sort((a, b) => a.pk - b.pk);
		const rest = columns.filter(({ pk }) => pk === 0);
		this.#columns = this.isWithoutRowid ? [...key, ...rest] : columns;
		this.#rowidColumn = this.isWithoutRowid
			? -1
			: columns.findIndex(({ pk, type }) => pk === 1 && type === "INTEGER");
	}

	static allOf(database: Database): TableShape[] {
		const tables = database
			.prepare<[], [string, number]>(
				`SELECT name, rootpage FROM sqlite_schema
				WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`,
			)
			.raw()
			.all() as Array<[string, number]>;
		return tables.map(([name, root]) => new TableShape(database, name, root));
	}

	holdsRows(kind: PageKind): boolean {
		if (!this.isWithoutRowid) return kind === PageKind.TableLeaf;
		return kind === PageKind.IndexLeaf || kind === PageKind.IndexInterior;
	}

	/** The row to be inserted; null when the cell is none of this table. */
	rowOf(cell: Cell): SavedRow | null {
		const { values } = cell;
		const columns = this.#columns;
		if (values.length > columns.length) return null;
		const row: Record<string, Value> = {};
		for (const [index, column] of columns.entries()) {
			let value = values[index];
			if (value === undefined) {
				if (column.notnull !== 0 && column.dflt_value === null) return null;
				continue;
			}
			if (index === this.#rowidColumn) {
				if (value !== null || cell.rowid === null) return null;
				value = cell.rowid;
			} else if (!fits(value, column)) return null;
			row[column.name] = value;
		}
		const good = plausible(this.name, row);
		if (good === null) return null;
		const present = columns.slice(0, values.length);
		return present.map(({ name }) => good[name] ?? null);
	}

	/** @returns false when a row of its key is there already */
	insert(row: SavedRow): boolean {
		return this.#insert(row.length).run(...row).changes > 0;
	}

	#insert(columns: number): Statement {
		let statement = this.#inserts.get(columns);
		if (statement === undefined) {
			const names = this.#columns.slice(0, columns).map(({ name }) => name);
			const marks = names.map(() => "?");
			statement = this.#database.prepare(
				`INSERT OR IGNORE INTO ${this.name} (${names.join()}) VALUES (${marks.join()})`,
			);
			this.#inserts.set(columns, statement);
		}
		return statement;
	}
}

/** Tables are STRICT: a column holds its own type or, where it may, NULL. */
function fits(value: Value, column: Column): boolean {
	if (value === null) return column.notnull === 0 && column.pk === 0;
	switch (column.type) {
		case "INTEGER":
		case "INT":
			return (
				typeof value === "bigint" ||
				(typeof value === "number" && Number.isInteger(value))
			);
		case "REAL":
			return typeof value === "number";
		case "TEXT":
			return typeof value === "string";
		case "BLOB":
			return Buffer.isBuffer(value);
		default:
			return true;
	}
}
