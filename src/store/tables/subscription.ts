import type { Database, Statement } from "better-sqlite3";
import type { SubscriptionRecord } from "../store.ts";
import { unpackOptions } from "../subscription-options.ts";

/** The table `subscription`: one row a session and filter. Worker thread only. */

interface Row {
	session: number;
	filter: string;
	options: number;
	identifier: number;
}

export class SubscriptionTable {
	readonly #put: Statement;
	readonly #delete: Statement;
	readonly #deleteSession: Statement;
	readonly #ofSessions: Statement<[number, number], Row>;

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
		this.#ofSessions = database.prepare(
			`SELECT session, filter, options, identifier FROM subscription
			WHERE session BETWEEN ? AND ? ORDER BY session, filter`,
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

	/** By session, in the order of filters. */
	ofSessions(from: number, to: number): Map<number, SubscriptionRecord[]> {
		const found = new Map<number, SubscriptionRecord[]>();
		for (const row of this.#ofSessions.iterate(from, to)) {
			const record = {
				filter: row.filter,
				...unpackOptions(row.options),
				identifier: row.identifier,
			};
			const records = found.get(row.session);
			if (records === undefined) found.set(row.session, [record]);
			else records.push(record);
		}
		return found;
	}
}
