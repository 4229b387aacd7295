import type { Database, Statement } from "better-sqlite3";

/** The table `meta`: numbers about the file as a whole. Worker thread only. */
export class MetaTable {
	readonly #put: Statement;
	readonly #get: Statement<[string], number>;

	constructor(database: Database) {
		this.#put = database.prepare(
			`INSERT INTO meta (name, value) VALUES (?, ?)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
		);
		this.#get = database
			.prepare<[string], number>("SELECT value FROM meta WHERE name = ?")
			.pluck() as Statement<[string], number>;
	}

	putNumber(name: string, value: number): void {
		this.#put.run(name, value);
	}

	/** 0 when there is none. */
	number(name: string): number {
		return this.#get.get(name) ?? 0;
	}
}
