import type { Database, Statement } from "better-sqlite3";

/**
 * The table `received_qos2`: packet ids of QoS 2 messages taken from a client and not
 * yet released by it. Worker thread only.
 */
export class ReceivedQos2Table {
	readonly #put: Statement;
	readonly #delete: Statement;
	readonly #deleteSession: Statement;
	readonly #ofSession: Statement<[number], number>;

	constructor(database: Database) {
		this.#put = database.prepare(
			"INSERT OR IGNORE INTO received_qos2 (session, packet_id) VALUES (?, ?)",
		);
		this.#delete = database.prepare(
			"DELETE FROM received_qos2 WHERE session = ? AND packet_id = ?",
		);
		this.#deleteSession = database.prepare(
			"DELETE FROM received_qos2 WHERE session = ?",
		);
		this.#ofSession = database
			.prepare<[number], number>(
				"SELECT packet_id FROM received_qos2 WHERE session = ? ORDER BY packet_id",
			)
			.pluck() as Statement<[number], number>;
	}

	put(session: number, packetId: number): void {
		this.#put.run(session, packetId);
	}

	delete(session: number, packetId: number): void {
		this.#delete.run(session, packetId);
	}

	deleteSession(session: number): void {
		this.#deleteSession.run(session);
	}

	ofSession(session: number): number[] {
		return this.#ofSession.all(session);
	}
}
