import type { Database } from "better-sqlite3";
import { SCHEMA_VERSION } from "./schema.ts";

/** Looks through a whole database that nobody else uses. Worker thread only. */

/** What SQLite says about damage at most: one line for each place. */
const MAX_LINES = 20;

/** Sessions have queues of their own number, and further ones. */
const QUEUES = "SELECT key FROM session UNION ALL SELECT queue FROM lane";

/** Each counts rows that no broker leaves behind, in tables of the present format. */
const oddities: readonly (readonly [words: string, sql: string])[] = [
	[
		"subscriptions of sessions that do not exist",
		"SELECT count(*) FROM subscription WHERE session NOT IN (SELECT key FROM session)",
	],
	[
		"queued messages of sessions that do not exist",
		`SELECT count(*) FROM queue WHERE id >> 37 NOT IN (${QUEUES})`,
	],
	[
		"queued messages whose contents are missing",
		"SELECT count(*) FROM queue WHERE message IS NOT NULL AND message NOT IN (SELECT id FROM message)",
	],
	[
		"queues whose count is wrong",
		`SELECT count(*) FROM
			(${QUEUES}) AS one
			LEFT JOIN queue_total ON queue_total.queue = one.key
			LEFT JOIN (SELECT id >> 37 AS queue, count(*) AS messages FROM queue GROUP BY id >> 37) AS counted
				ON counted.queue = one.key
			WHERE coalesce(queue_total.messages, 0) <> coalesce(counted.messages, 0)`,
	],
	[
		"more or fewer retained messages than counted",
		`SELECT abs((SELECT count(*) FROM retained)
			- coalesce((SELECT value FROM meta WHERE name = 'retained_messages'), 0))`,
	],
];

/** @returns what is wrong, in words; none when the database is sound */
export function problemsOf(database: Database, version: number): string[] {
	const lines = database
		.prepare(`PRAGMA integrity_check(${MAX_LINES})`)
		.pluck()
		.all()
		.flatMap((text) => String(text).split("\n"))
		.filter((line) => line !== "ok" && line !== "");
	if (lines.length > 0) return lines.slice(0, MAX_LINES);
	if (version !== SCHEMA_VERSION) return []; // the next start makes it the present one
	return oddities.flatMap(([words, sql]) => {
		const count = Number(database.prepare(sql).pluck().get());
		return count === 0 ? [] : [`${count} ${words}`];
	});
}
