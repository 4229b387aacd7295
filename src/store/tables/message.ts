import type { Database, Statement } from "better-sqlite3";
import type { ApplicationMessage } from "../../protocol/messages.ts";
import { flagsQos, flagsRetain, packFlags } from "../message-codec.ts";

/**
 * The table `message`: bodies that several queues share, stored once. Worker thread only.
 *
 * Nothing counts references. A row goes when a batch that removed queue rows of it finds
 * no other one, by the partial index `queue_message`: that needs no memory, and a crash
 * cannot make it wrong.
 */

/** The columns of a body, in `message` as well as in `queue`. */
export interface BodyRow {
	bodyFlags: number;
	expirySeconds: number;
	topic: string;
	properties: Buffer | null;
	payload: Buffer;
}

const NO_BYTES = Buffer.alloc(0);

export function toMessage(row: BodyRow): ApplicationMessage {
	return {
		topic: row.topic,
		qos: flagsQos(row.bodyFlags),
		retain: flagsRetain(row.bodyFlags),
		expirySeconds: row.expirySeconds,
		properties: row.properties ?? NO_BYTES,
		payload: row.payload,
	};
}

/** Most messages have none: NULL takes no byte in a row. */
export function propertiesColumn(message: ApplicationMessage): Buffer | null {
	return message.properties.length === 0 ? null : message.properties;
}

export class MessageTable {
	readonly #insert: Statement;
	readonly #get: Statement<[number], BodyRow>;
	readonly #deleteUnused: Statement<[number, number]>;

	constructor(database: Database) {
		this.#insert = database.prepare(
			`INSERT INTO message (body_flags, expiry_seconds, topic, properties, payload)
			VALUES (?, ?, ?, ?, ?)`,
		);
		this.#get = database.prepare(
			`SELECT body_flags AS bodyFlags, expiry_seconds AS expirySeconds,
				topic, properties, payload
			FROM message WHERE id = ?`,
		);
		this.#deleteUnused = database.prepare(
			`DELETE FROM message WHERE id = ?
			AND NOT EXISTS (SELECT 1 FROM queue WHERE message = ?)`,
		);
	}

	/** @returns the id that queue rows refer to */
	insert(message: ApplicationMessage): number {
		const result = this.#insert.run(
			packFlags(message.qos, message.retain),
			message.expirySeconds,
			message.topic,
			propertiesColumn(message),
			message.payload,
		);
		return Number(result.lastInsertRowid);
	}

	get(id: number): ApplicationMessage | null {
		const row = this.#get.get(id);
		return row === undefined ? null : toMessage(row);
	}

	deleteUnused(ids: Iterable<number>): void {
		for (const id of ids) this.#deleteUnused.run(id, id);
	}
}
