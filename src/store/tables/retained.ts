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

/** A row without its payload. */
interface HeadRow extends Omit<BodyRow, "payload"> {
	readonly bytes: number;
	readonly expiresAt: number;
	readonly payloadBytes: number;
}

const HEAD = `topic, bytes, expires_at AS expiresAt, body_flags AS bodyFlags,
	expiry_seconds AS expirySeconds, properties, checksum, length(payload) AS payloadBytes`;
const NO_BYTES = Buffer.alloc(0);

export class RetainedTable {
	readonly #meta: MetaTable;
	readonly #put: Statement;
	readonly #delete: Statement;
	readonly #bytesOf: Statement<[string], number>;
	readonly #payload: Statement<[string], Buffer>;
	/** Of neighbours, in one blob. */
	readonly #payloads: Statement<[string, string], Buffer>;
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
		this.#payload = database
			.prepare<[string], Buffer>("SELECT payload FROM retained WHERE topic = ?")
			.pluck() as Statement<[string], Buffer>;
		// Bytes stay as they are on the way through text.
		this.#payloads = database
			.prepare<[string, string], Buffer>(
				`SELECT CAST(group_concat(payload, '') AS BLOB)
				FROM (SELECT payload FROM retained
					WHERE topic BETWEEN ? AND ? ORDER BY topic)`,
			)
			.pluck() as Statement<[string, string], Buffer>;
		this.#heads = database.prepare(
			`SELECT ${HEAD} FROM retained
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
		const runs: HeadRow[][] = [];
		let ranges = topicRanges(walk.filter);
		if (walk.position !== null) ranges = rangesAfter(ranges, walk.position);
		let looked = 0;
		let isCut = false;
		for (const { from, to, needsMatch } of ranges) {
			/** Its rows are neighbours in the table. */
			let run: HeadRow[] | null = null;
			for (const row of this.#heads.iterate(from, to)) {
				if (isFull(walk, row.bytes)) {
					walk.isDone = true;
					break;
				}
				walk.position = row.topic;
				const isWanted =
					(!needsMatch || matches(walk.filter, row.topic)) &&
					!this.#isExpired(row, walk.wallMs);
				if (!isWanted) {
					run = null;
				} else {
					walk.messages++;
					walk.bytes += row.bytes;
					if (run === null) {
						run = [];
						runs.push(run);
					}
					run.push(row);
				}
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
		for (const run of runs) this.#write(run, writer);
	}

	/** To be removed with a later batch then. */
	#isExpired({ topic, expiresAt }: HeadRow, wallMs: number): boolean {
		if (expiresAt === 0 || expiresAt > wallMs) return false;
		if (this.#expired.size < MAX_EXPIRED) this.#expired.set(topic, expiresAt);
		return true; // [MQTT-3.3.2-5]
	}

	/** A Buffer for each payload costs more than all else of its row: a run's come as one. */
	#write(run: readonly HeadRow[], writer: ByteWriter): void {
		const first = run[0]?.topic ?? "";
		const last = run.at(-1)?.topic ?? "";
		const payloads =
			(first === last
				? this.#payload.get(first)
				: this.#payloads.get(first, last)) ?? NO_BYTES;
		let at = 0;
		for (const head of run) {
			const { topic, bodyFlags, expirySeconds, properties, checksum } = head;
			const end = at + head.payloadBytes;
			const payload = payloads.subarray(at, end);
			const row: BodyRow = {
				bodyFlags,
				expirySeconds,
				topic,
				properties,
				payload,
				checksum,
			};
			at = end;
			refuseDamaged(row, "a retained message is damaged");
			writeRetained(writer, head.expiresAt, toMessage(row));
		}
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
