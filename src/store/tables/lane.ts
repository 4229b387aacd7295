import type { Database, Statement } from "better-sqlite3";
import type { LaneRecord } from "../lane.ts";

/** The table `lane`: which session a further queue belongs to. Worker thread only. */

interface Row {
	queue: number;
	session: number;
	name: string;
	byTopic: number;
}

export class LaneTable {
	readonly #put: Statement;
	readonly #delete: Statement;
	readonly #queuesOf: Statement<[number], number>;
	readonly #ofSessions: Statement<[number, number], Row>;
	readonly #queuesByTopic: Statement<[], number>;
	/** Asked for each message; null when it has to be read again. */
	#byTopic: Set<number> | null = null;

	constructor(database: Database) {
		this.#put = database.prepare(
			`INSERT INTO lane (queue, session, name, by_topic) VALUES (?, ?, ?, ?)
			ON CONFLICT (queue) DO UPDATE SET name = excluded.name`,
		);
		this.#delete = database.prepare("DELETE FROM lane WHERE queue = ?");
		this.#queuesOf = database
			.prepare<[number], number>("SELECT queue FROM lane WHERE session = ?")
			.pluck() as Statement<[number], number>;
		this.#ofSessions = database.prepare(
			`SELECT queue, session, name, by_topic AS byTopic FROM lane
			WHERE session BETWEEN ? AND ? ORDER BY queue`,
		);
		this.#queuesByTopic = database
			.prepare<[], number>("SELECT queue FROM lane WHERE by_topic <> 0")
			.pluck() as Statement<[], number>;
	}

	put(queue: number, session: number, name: string, byTopic: number): void {
		this.#put.run(queue, session, name, byTopic);
		this.#byTopic = null;
	}

	delete(queue: number): void {
		this.#delete.run(queue);
		this.#byTopic?.delete(queue);
	}

	rolledBack(): void {
		this.#byTopic = null;
	}

	isByTopic(queue: number): boolean {
		this.#byTopic ??= new Set(this.#queuesByTopic.all());
		return this.#byTopic.size > 0 && this.#byTopic.has(queue);
	}

	queuesOf(session: number): number[] {
		return this.#queuesOf.all(session);
	}

	/** By session; those that have none are not in it. */
	ofSessions(from: number, to: number): Map<number, LaneRecord[]> {
		const found = new Map<number, LaneRecord[]>();
		for (const row of this.#ofSessions.iterate(from, to)) {
			const { queue, session, name, byTopic } = row;
			const record = { key: queue, session, name, isByTopic: byTopic !== 0 };
			const records = found.get(session);
			if (records === undefined) found.set(session, [record]);
			else records.push(record);
		}
		return found;
	}
}
