import type { Database } from "better-sqlite3";
import { LAST_SEQUENCE } from "../operation.ts";

/**
 * Makes what was saved fit together: rows whose other half is lost go, and counts are
 * made anew. Worker thread only; the caller holds the transaction.
 */

export interface Mended {
	/** Rows that belonged to a session or a message that is lost. */
	readonly orphans: number;
	/** Messages that the queues are said to have had and that were not found. */
	readonly missingQueued: number;
	/** The same of retained messages. */
	readonly missingRetained: number;
}

const orphanRules: readonly string[] = [
	// Of two copies of one session the later one counts.
	`DELETE FROM session WHERE key NOT IN
		(SELECT max(key) FROM session GROUP BY client_id)`,
	"DELETE FROM subscription WHERE session NOT IN (SELECT key FROM session)",
	"DELETE FROM received_qos2 WHERE session NOT IN (SELECT key FROM session)",
	`DELETE FROM lane WHERE session NOT IN (SELECT key FROM session)
		OR queue IN (SELECT key FROM session)`,
	`DELETE FROM queue WHERE id >> 37 NOT IN
		(SELECT key FROM session UNION ALL SELECT queue FROM lane)`,
	`DELETE FROM queue WHERE message IS NOT NULL
		AND message NOT IN (SELECT id FROM message)`,
];

/**
 * A client that finds its session again does not subscribe anew, and one whose
 * subscriptions are lost would never hear a message. What held nothing but these goes, so
 * that its client is told to begin afresh.
 */
const deafSessions = `DELETE FROM session
	WHERE key NOT IN (SELECT session FROM subscription)
	AND key NOT IN (SELECT id >> 37 FROM queue)
	AND key NOT IN (SELECT session FROM lane)`;

/** @param lostSubscriptions whether some are missing */
export function mend(database: Database, lostSubscriptions: boolean): Mended {
	const number = (sql: string) => Number(database.prepare(sql).pluck().get());
	// What a lost session had is lost with it, so this comes before its rows go.
	const expected = number(`SELECT coalesce(sum(messages), 0) FROM queue_total`);
	const expectedRetained = number(
		"SELECT coalesce(max(value), 0) FROM meta WHERE name = 'retained_messages'",
	);
	if (lostSubscriptions) database.exec(deafSessions);
	let orphans = 0;
	for (const rule of orphanRules)
		orphans += database.prepare(rule).run().changes;
	database.exec(`
		DELETE FROM message WHERE id NOT IN
			(SELECT message FROM queue WHERE message IS NOT NULL);

		CREATE TEMP TABLE counted AS
			SELECT id >> 37 AS queue, count(*) AS messages, sum(bytes) AS bytes,
				max(id & ${LAST_SEQUENCE}) AS last_sequence
			FROM queue GROUP BY id >> 37;
		INSERT INTO queue_total (queue, messages, bytes, last_sequence)
			SELECT queue, 0, 0, 0 FROM counted WHERE true
			ON CONFLICT (queue) DO NOTHING;
		DELETE FROM queue_total WHERE queue NOT IN
			(SELECT key FROM session UNION ALL SELECT queue FROM lane);
		UPDATE queue_total SET messages = 0, bytes = 0;
		UPDATE queue_total SET messages = counted.messages, bytes = counted.bytes,
			last_sequence = max(queue_total.last_sequence, counted.last_sequence)
			FROM counted WHERE counted.queue = queue_total.queue;
		DROP TABLE counted;

		DELETE FROM queue_topic;
		INSERT INTO queue_topic (queue, topic, sequence)
			SELECT id >> 37, topic, id & ${LAST_SEQUENCE} FROM queue
			WHERE topic IS NOT NULL
				AND id >> 37 IN (SELECT queue FROM lane WHERE by_topic <> 0);

		INSERT OR REPLACE INTO meta (name, value)
			SELECT 'retained_messages', count(*) FROM retained;
		INSERT OR REPLACE INTO meta (name, value)
			SELECT 'retained_bytes', coalesce(sum(bytes), 0) FROM retained;
	`);
	const queued = number("SELECT count(*) FROM queue");
	const retained = number("SELECT count(*) FROM retained");
	return {
		orphans,
		missingQueued: Math.max(0, expected - queued),
		missingRetained: Math.max(0, expectedRetained - retained),
	};
}
