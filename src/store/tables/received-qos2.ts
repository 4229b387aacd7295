import type { Database, Statement } from "better-sqlite3";

/**
 * The table `received_qos2`: packet ids of QoS 2 messages taken from a client and not
 * yet released by it. Worker thread only.
 */
type Row = [session: number, packetId: number];

export class ReceivedQos2Table {
	readonly #put: Statement;
	readonly #delete: Statement;
	readonly #deleteSession: Statement;
	readonly #ofSessions: Statement<[number, number], Row>;

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
		this.#ofSessions = database
			.prepare<[number, number], Row>(
				`SELECT session, packet_id FROM received_qos2
				WHERE session BETWEEN ? AND ? ORDER BY session, packet_id`,
			)
			.raw() as Statement<[number, number], Row>;
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

	/** By session; those that have none are not in it. */
	ofSessions(from: number, to: number): Map<number, number[]> {
		const found = new Map<number, number[]>();
		for (const [session, packetId] of this.#ofSessions.iterate(from, to)) {
			const ids = found.get(session);
			if (ids === undefined) found.set(session, [packetId]);
			else ids.push(packetId);
		}
		return found;
	}
}
