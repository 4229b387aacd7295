import type { Database } from "better-sqlite3";

/**
 * The tables, as a list of steps: step N takes a file from `user_version` N to N + 1.
 * Forward only. A step that was released is never changed; add one.
 */
type Migration = (database: Database) => void;

const migrations: readonly Migration[] = [createTables, addLanes, addChecksums];

/** What this build writes. */
export const SCHEMA_VERSION = migrations.length;
/** "MQTB": tells our files from those of other programs. */
export const APPLICATION_ID = 0x4d515442;

/** Brings a file from `version` up to `target`, all steps in one transaction. */
export function migrate(
	database: Database,
	version: number,
	target = SCHEMA_VERSION,
): void {
	if (version === target) return;
	database.transaction(() => {
		for (const migration of migrations.slice(version, target))
			migration(database);
		database.pragma(`application_id = ${APPLICATION_ID}`);
		database.pragma(`user_version = ${target}`);
	})();
}

function createTables(database: Database): void {
	database.exec(`
		CREATE TABLE meta (
			name TEXT PRIMARY KEY,
			value INTEGER NOT NULL
		) STRICT, WITHOUT ROWID;

		CREATE TABLE session (
			key INTEGER PRIMARY KEY,
			client_id TEXT NOT NULL,
			username TEXT,
			expiry_seconds INTEGER NOT NULL,
			disconnected_at INTEGER NOT NULL, -- wall time, ms; 0 while connected
			will BLOB
		) STRICT;

		CREATE TABLE subscription (
			session INTEGER NOT NULL,
			filter TEXT NOT NULL,
			options INTEGER NOT NULL,
			identifier INTEGER NOT NULL,
			PRIMARY KEY (session, filter)
		) STRICT, WITHOUT ROWID;

		CREATE TABLE received_qos2 (
			session INTEGER NOT NULL,
			packet_id INTEGER NOT NULL,
			PRIMARY KEY (session, packet_id)
		) STRICT, WITHOUT ROWID;

		CREATE TABLE queue (
			id INTEGER PRIMARY KEY, -- queue << 37 | sequence
			flags INTEGER NOT NULL, -- the subscriber's: qos | retain << 2
			phase INTEGER NOT NULL,
			packet_id INTEGER NOT NULL,
			bytes INTEGER NOT NULL,
			expires_at INTEGER NOT NULL, -- wall time, ms; 0 when never
			message INTEGER, -- a shared body; the columns below are empty then
			origin BLOB NOT NULL,
			body_flags INTEGER NOT NULL, -- as published: qos | retain << 2
			expiry_seconds INTEGER NOT NULL,
			topic TEXT,
			properties BLOB,
			payload BLOB
		) STRICT;
		CREATE INDEX queue_message ON queue (message) WHERE message IS NOT NULL;
		CREATE INDEX queue_sent ON queue (id) WHERE phase <> 0;

		CREATE TABLE queue_total (
			queue INTEGER PRIMARY KEY,
			messages INTEGER NOT NULL,
			bytes INTEGER NOT NULL,
			last_sequence INTEGER NOT NULL
		) STRICT;

		CREATE TABLE message (
			id INTEGER PRIMARY KEY,
			body_flags INTEGER NOT NULL,
			expiry_seconds INTEGER NOT NULL,
			topic TEXT NOT NULL,
			properties BLOB,
			payload BLOB NOT NULL
		) STRICT;

		CREATE TABLE retained (
			topic TEXT PRIMARY KEY,
			bytes INTEGER NOT NULL,
			expires_at INTEGER NOT NULL,
			body_flags INTEGER NOT NULL,
			expiry_seconds INTEGER NOT NULL,
			properties BLOB,
			payload BLOB NOT NULL
		) STRICT, WITHOUT ROWID;

		CREATE TABLE extension_value (
			space TEXT NOT NULL,
			name TEXT NOT NULL,
			value BLOB NOT NULL,
			PRIMARY KEY (space, name)
		) STRICT, WITHOUT ROWID;
	`);
}

/** Further queues of a session. */
function addLanes(database: Database): void {
	database.exec(`
		CREATE TABLE lane (
			queue INTEGER PRIMARY KEY, -- of the same numbers as keys of sessions
			session INTEGER NOT NULL,
			name TEXT NOT NULL,
			by_topic INTEGER NOT NULL -- 1: its rows are in queue_topic too
		) STRICT;

		CREATE TABLE queue_topic (
			queue INTEGER NOT NULL,
			topic TEXT NOT NULL,
			sequence INTEGER NOT NULL,
			PRIMARY KEY (queue, topic, sequence)
		) STRICT, WITHOUT ROWID;
	`);
}

/** Of a row's body (checksum.ts); NULL in rows that were written before. */
function addChecksums(database: Database): void {
	for (const table of ["queue", "message", "retained"])
		database.exec(`ALTER TABLE ${table} ADD COLUMN checksum INTEGER`);
}
