import type { Database, Statement } from "better-sqlite3";
import { ByteReader, ByteWriter } from "../byte-writer.ts";
import { readWill, writeWill } from "../message-codec.ts";
import type { SessionRecord, StoredWill } from "../store.ts";

/** The table `session`: one row a session, its will as a blob. Worker thread only. */

interface Row {
	key: number;
	clientId: string;
	username: string | null;
	expirySeconds: number;
	disconnectedAtMs: number;
	will: Buffer | null;
}

export class SessionTable {
	readonly #put: Statement;
	readonly #delete: Statement;
	readonly #page: Statement<[number, number], Row>;

	constructor(database: Database) {
		this.#put = database.prepare(
			`INSERT INTO session (key, client_id, username, expiry_seconds, disconnected_at, will)
			VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (key) DO UPDATE SET client_id = excluded.client_id,
				username = excluded.username, expiry_seconds = excluded.expiry_seconds,
				disconnected_at = excluded.disconnected_at, will = excluded.will`,
		);
		this.#delete = database.prepare("DELETE FROM session WHERE key = ?");
		this.#page = database.prepare(
			`SELECT key, client_id AS clientId, username, expiry_seconds AS expirySeconds,
				disconnected_at AS disconnectedAtMs, will
			FROM session WHERE key > ? ORDER BY key LIMIT ?`,
		);
	}

	put(record: SessionRecord): void {
		this.#put.run(
			record.key,
			record.clientId,
			record.username,
			record.expirySeconds,
			Math.round(record.disconnectedAtMs),
			record.will === null ? null : encodeWill(record.will),
		);
	}

	delete(key: number): void {
		this.#delete.run(key);
	}

	page(after: number, limit: number): SessionRecord[] {
		return this.#page.all(after, limit).map((row) => ({
			...row,
			will: row.will === null ? null : decodeWill(row.will),
		}));
	}
}

function encodeWill(will: StoredWill): Buffer {
	const writer = new ByteWriter();
	writeWill(writer, will);
	return writer.toBuffer();
}

function decodeWill(blob: Buffer): StoredWill {
	return readWill(new ByteReader(blob.buffer, blob.byteOffset, blob.length));
}
