import type { Database, Statement } from "better-sqlite3";

/** The table `extension_value`: small durable values of extensions. Worker thread only. */
export class ExtensionValueTable {
	readonly #put: Statement;
	readonly #delete: Statement;
	readonly #get: Statement<[string, string], Buffer>;

	constructor(database: Database) {
		this.#put = database.prepare(
			`INSERT INTO extension_value (space, name, value) VALUES (?, ?, ?)
			ON CONFLICT (space, name) DO UPDATE SET value = excluded.value`,
		);
		this.#delete = database.prepare(
			"DELETE FROM extension_value WHERE space = ? AND name = ?",
		);
		this.#get = database
			.prepare<[string, string], Buffer>(
				"SELECT value FROM extension_value WHERE space = ? AND name = ?",
			)
			.pluck() as Statement<[string, string], Buffer>;
	}

	put(space: string, name: string, value: Buffer | null): void {
		if (value === null) this.#delete.run(space, name);
		else this.#put.run(space, name, value);
	}

	get(space: string, name: string): Buffer | null {
		return this.#get.get(space, name) ?? null;
	}
}
