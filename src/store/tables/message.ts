import type { Database, Statement } from "better-sqlite3";
import type { ApplicationMessage } from "../../protocol/messages.ts";
import { bodyChecksum, type SummedBody } from "../checksum.ts";
import { UnusableFile } from "../damage-signs.ts";
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
	/** null in a row from before there were any. */
	checksum: number | null;
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

/** The columns of a message that the checksum is about. */
export function summedBody(message: ApplicationMessage): SummedBody {
	return {
		bodyFlags: packFlags(message.qos, message.retain),
		expirySeconds: message.expirySeconds,
		topic: message.topic,
		properties: propertiesColumn(message),
		payload: message.payload,
	};
}

/** @throws UnusableFile: a bit has flipped in the row */
export function refuseDamaged(row: BodyRow, what: string): void {
	if (row.checksum !== null && bodyChecksum(row) !== row.checksum)
		throw new UnusableFile(what);
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
			`INSERT INTO message (body_flags, expiry_seconds, topic, properties, payload, checksum)
			VALUES (?, ?, ?, ?, ?, ?)`,
		);
		this.#get = database.prepare(
			`SELECT body_flags AS bodyFlags, expiry_seconds AS expirySeconds,
				topic, properties, payload, checksum
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
			bodyChecksum(summedBody(message)),
		);
		return Number(result.lastInsertRowid);
	}

	get(id: number): ApplicationMessage | null {
		const row = this.#get.get(id);
		if (row === undefined) return null;
		refuseDamaged(row, "a shared message is damaged");
		return toMessage(row);
	}

	deleteUnused(ids: Iterable<number>): void {
		for (const id of ids) this.#deleteUnused.run(id, id);
	}
}
