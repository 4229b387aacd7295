import type { Database, Statement } from "better-sqlite3";
import type { ApplicationMessage } from "../../protocol/messages.ts";
import { matches } from "../../protocol/topic.ts";
import type { ByteWriter } from "../byte-writer.ts";
import { bodyChecksum } from "../checksum.ts";
import { messageBytes, packFlags } from "../message-codec.ts";
import { writeRetained } from "../page-codec.ts";
import {
	type BodyRow,
	propertiesColumn,
	refuseDamaged,
	summedBody,
	toMessage,
} from "./message.ts";
import type { MetaTable } from "./meta.ts";
import { rangesAfter, topicRanges } from "./retained-ranges.ts";

/**
 * The table `retained`: one row a topic, in topic order. Worker thread only.
 *
 * How many there are is kept in memory and saved in `meta` when the count has changed,
 * or the bytes by more than {@link BYTES_DRIFT}: after a crash the bytes may be wrong by
 * that much, and a sensor whose value changes its length costs no extra page a commit.
 */

const BYTES_DRIFT = 64 * 1024;
/** Expired topics noted for removal with a later batch, at most. */
const MAX_EXPIRED = 1000;
/** Rows between two looks at the time. */
const ROWS_PER_LOOK = 64;

export interface RetainedTotals {
	messages: number;
	bytes: number;
}

/** As in the worker's request. */
export interface RetainedPageRequest {
	readonly filter: string;
	/** Only topics above this one; null for all. */
	readonly after: string | null;
	readonly maxMessages: number;
	readonly maxBytes: number;
	readonly wallMs: number;
}

/** A page in the making; goes on where it stopped until it is full or at the end. */
export interface RetainedWalk {
	readonly filter: string;
	/** The last topic looked at; null at the beginning. */
	position: string | null;
	readonly wallMs: number;
	readonly maxMessages: number;
	readonly maxBytes: number;
	messages: number;
	bytes: number;
	/** The page is full, or `isEnd`. */
	isDone: boolean;
	isEnd: boolean;
}

export function beginWalk(request: RetainedPageRequest): RetainedWalk {
	return {
		filter: request.filter,
		position: request.after,
		wallMs: request.wallMs,
		maxMessages: request.maxMessages,
		maxBytes: request.maxBytes,
		messages: 0,
		bytes: 0,
		isDone: false,
		isEnd: false,
	};
}

interface HeadRow {
	topic: string;
	bytes: number;
	expiresAt: number;
}

export class RetainedTable {
	readonly #meta: MetaTable;
	readonly #put: Statement;
	readonly #delete: Statement;
	readonly #bytesOf: Statement<[string], number>;
	readonly #get: Statement<[string], BodyRow>;
	readonly #heads: Statement<[string, string | Buffer], HeadRow>;
	readonly #deleteExpired: Statement<[string, number], number>;
	/** As committed. */
	readonly totals: RetainedTotals;
	/** As saved in the file. */
	readonly #saved: RetainedTotals;
	readonly #change: RetainedTotals = { messages: 0, bytes: 0 };
	/** Topic -> the expiry it was seen with. */
	readonly #expired = new Map<string, number>();

	constructor(database: Database, meta: MetaTable) {
		this.#meta = meta;
		this.#put = database.prepare(
			`INSERT INTO retained (topic, bytes, expires_at, body_flags, expiry_seconds, properties, payload, checksum)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (topic) DO UPDATE SET bytes = excluded.bytes,
				expires_at = excluded.expires_at, body_flags = excluded.body_flags,
				expiry_seconds = excluded.expiry_seconds, properties = excluded.properties,
				payload = excluded.payload, checksum = excluded.checksum`,
		);
		this.#delete = database.prepare("DELETE FROM retained WHERE topic = ?");
		this.#bytesOf = database
			.prepare<[string], number>("SELECT bytes FROM retained WHERE topic = ?")
			.pluck() as Statement<[string], number>;
		this.#get = database.prepare(
			`SELECT topic, body_flags AS bodyFlags, expiry_seconds AS expirySeconds,
				properties, payload, checksum FROM retained WHERE topic = ?`,
		);
		this.#heads = database.prepare(
			`SELECT topic, bytes, expires_at AS expiresAt FROM retained
			WHERE topic >= ? AND topic < ? ORDER BY topic`,
		);
		this.#deleteExpired = database
			.prepare<[string, number], number>(
				"DELETE FROM retained WHERE topic = ? AND expires_at = ? RETURNING bytes",
			)
			.pluck() as Statement<[string, number], number>;
		this.totals = {
			messages: meta.number("retained_messages"),
			bytes: meta.number("retained_bytes"),
		};
		this.#saved = { ...this.totals };
	}

	begin(): void {
		this.#change.messages = 0;
		this.#change.bytes = 0;
	}

	put(message: ApplicationMessage, expiresAtWallMs: number): void {
		const bytes = messageBytes(message);
		const earlier = this.#bytesOf.get(message.topic);
		this.#put.run(
			message.topic,
			bytes,
			Math.round(expiresAtWallMs),
			packFlags(message.qos, message.retain),
			message.expirySeconds,
			propertiesColumn(message),
			message.payload,
			bodyChecksum(summedBody(message)),
		);
		if (earlier === undefined) this.#change.messages++;
		this.#change.bytes += bytes - (earlier ?? 0);
	}

	delete(topic: string): void {
		const bytes = this.#bytesOf.get(topic);
		if (bytes === undefined) return;
		this.#delete.run(topic);
		this.#removed(bytes);
	}

	finish(): void {
		for (const [topic, expiresAt] of this.#expired) {
			const bytes = this.#deleteExpired.get(topic, expiresAt);
			if (bytes !== undefined) this.#removed(bytes);
		}
		const messages = this.totals.messages + this.#change.messages;
		const bytes = this.totals.bytes + this.#change.bytes;
		if (messages !== this.#saved.messages) this.#save(messages, bytes);
		else if (Math.abs(bytes - this.#saved.bytes) > BYTES_DRIFT)
			this.#save(messages, bytes);
	}

	committed(): void {
		this.totals.messages += this.#change.messages;
		this.totals.bytes += this.#change.bytes;
		this.#expired.clear();
		this.begin();
	}

	/** What the batch may have saved is not in the file. */
	rolledBack(): void {
		this.#saved.messages = -1;
	}

	#save(messages: number, bytes: number): void {
		this.#meta.putNumber("retained_messages", messages);
		this.#meta.putNumber("retained_bytes", bytes);
		this.#saved.messages = messages;
		this.#saved.bytes = bytes;
	}

	/** Goes on with a page until it is full, at the end, or `deadlineMs` has come. */
	walk(walk: RetainedWalk, writer: ByteWriter, deadlineMs: number): void {
		const found: HeadRow[] = [];
		let ranges = topicRanges(walk.filter);
		if (walk.position !== null) ranges = rangesAfter(ranges, walk.position);
		let looked = 0;
		let isCut = false;
		for (const { from, to, needsMatch } of ranges) {
			for (const row of this.#heads.iterate(from, to)) {
				if (isFull(walk, row.bytes)) {
					walk.isDone = true;
					break;
				}
				walk.position = row.topic;
				if (!needsMatch || matches(walk.filter, row.topic))
					this.#take(walk, row, found);
				isCut =
					++looked % ROWS_PER_LOOK === 0 && performance.now() >= deadlineMs;
				if (isCut) break;
			}
			if (walk.isDone || isCut) break;
		}
		if (!walk.isDone && !isCut) {
			walk.isEnd = true;
			walk.isDone = true;
		}
		for (const head of found) {
			const row = this.#get.get(head.topic);
			if (row === undefined) continue;
			refuseDamaged(row, "a retained message is damaged");
			writeRetained(writer, head.expiresAt, toMessage(row));
		}
	}

	#take(walk: RetainedWalk, row: HeadRow, found: HeadRow[]): void {
		if (row.expiresAt !== 0 && row.expiresAt <= walk.wallMs) {
			if (this.#expired.size < MAX_EXPIRED)
				this.#expired.set(row.topic, row.expiresAt);
			return; // [MQTT-3.3.2-5]
		}
		walk.messages++;
		walk.bytes += row.bytes;
		found.push(row);
	}

	#removed(bytes: number): void {
		this.#change.messages--;
		this.#change.bytes -= bytes;
	}
}

/** A page takes at least one message, whatever its size. */
function isFull(walk: RetainedWalk, nextBytes: number): boolean {
	if (walk.messages >= walk.maxMessages) return true;
	return walk.messages > 0 && walk.bytes + nextBytes > walk.maxBytes;
}
