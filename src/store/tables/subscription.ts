import type { Database, Statement } from "better-sqlite3";
import type { SubscriptionRecord } from "../store.ts";
import { unpackOptions } from "../subscription-options.ts";

/** The table `subscription`: one row a session and filter. Worker thread only. */

interface Row {
	filter: string;
	options: number;
	identifier: number;
}

export class SubscriptionTable {
	readonly #put: Statement;
	readonly #delete: Statement;
	readonly #deleteSession: Statement;
	readonly #ofSession: Statement<[number], Row>;

	constructor(database: Database) {
		this.#put = database.prepare(
			`INSERT INTO subscription (session, filter, options, identifier) VALUES (?, ?, ?, ?)
			ON CONFLICT (session, filter) DO UPDATE SET
				options = excluded.options, identifier = excluded.identifier`,
		);
		this.#delete = database.prepare(
			"DELETE FROM subscription WHERE session = ? AND filter = ?",
		);
		this.#deleteSession = database.prepare(
			"DELETE FROM subscription WHERE session = ?",
		);
		this.#ofSession = database.prepare(
			`SELECT filter, options, identifier FROM subscription
			WHERE session = ? ORDER BY filter`,
		);
	}

	put(
		session: number,
		filter: string,
		options: number,
		identifier: number,
	): void {
		this.#put.run(session, filter, options, identifier);
	}

	delete(session: number, filter: string): void {
		this.#delete.run(session, filter);
	}

	deleteSession(session: number): void {
		this.#deleteSession.run(session);
	}

	ofSession(session: number): SubscriptionRecord[] {
		return this.#ofSession.all(session).map((row) => ({
			filter: row.filter,
			...unpackOptions(row.options),
			identifier: row.identifier,
		}));
	}
}
