import type { Database, Statement } from "better-sqlite3";
import type { ByteWriter } from "../byte-writer.ts";
import { queueChecksum, type SummedBody } from "../checksum.ts";
import { UnusableFile } from "../damage-signs.ts";
import { LAST_SEQUENCE } from "../operation.ts";
import { writeQueued, writeQueuePageEnd } from "../page-codec.ts";
import { DeliveryPhase, QueuePart } from "../store.ts";
import { type BodyRow, type MessageTable, toMessage } from "./message.ts";
import { ID, OF_TOPIC, RANGE, SEQUENCE } from "./queue-id.ts";

/**
 * Reads the table `queue` in pages. Worker thread only.
 *
 * A Buffer for each payload costs more than all else of its row, so the payloads of a page
 * come as one: 1.6 us a message instead of 3.
 */

/** As in {@link Store.readQueue}. */
export interface QueuePageRequest {
	readonly key: number;
	/** Only rows of this topic; null for all. The part is {@link QueuePart.All} then. */
	readonly topic: string | null;
	readonly after: number;
	readonly maxMessages: number;
	readonly maxBytes: number;
	readonly part: QueuePart;
}

/** A row without its payload. */
interface Head extends Omit<BodyRow, "payload"> {
	readonly sequence: number;
	readonly flags: number;
	readonly phase: number;
	readonly packetId: number;
	readonly bytes: number;
	readonly expiresAt: number;
	/** A shared body; the row has none then. */
	readonly message: number | null;
	readonly origin: Buffer | null;
	/** null with a shared body. */
	readonly payloadBytes: number | null;
}

/** What stands for the marks in {@link RANGE} or {@link OF_TOPIC}. */
type Bounds = Array<number | string>;

/** The same rows in the same order. */
interface PartStatements {
	readonly heads: Statement<Bounds, Head>;
	/** All payloads in one blob. */
	readonly payloads: Statement<Bounds, Buffer | null>;
}

const HEAD = `${SEQUENCE} AS sequence, flags, phase, packet_id AS packetId, bytes,
	expires_at AS expiresAt, message, nullif(origin, x'') AS origin, body_flags AS bodyFlags,
	expiry_seconds AS expirySeconds, topic, properties, length(payload) AS payloadBytes, checksum`;
const NO_BYTES = Buffer.alloc(0);

export class QueuePages {
	readonly #messages: MessageTable;
	readonly #payload: Statement<number[], Buffer | null>;
	readonly #parts: Readonly<Record<QueuePart, PartStatements>>;
	readonly #ofTopic: PartStatements;

	constructor(database: Database, messages: MessageTable) {
		this.#messages = messages;
		this.#payload = database
			.prepare<number[], Buffer | null>(
				`SELECT payload FROM queue WHERE id = ${ID}`,
			)
			.pluck() as Statement<number[], Buffer | null>;
		// No LIMIT: SQLite would plan the query anew for each page, to suit its number.
		const part = (
			rest: string,
			table = "queue",
			range = RANGE,
		): PartStatements => ({
			heads: database.prepare<Bounds, Head>(
				`SELECT ${HEAD} FROM ${table} WHERE ${range} ${rest}`,
			),
			// Bytes stay as they are on the way through text.
			payloads: database
				.prepare<Bounds, Buffer | null>(
					`SELECT CAST(group_concat(payload, '') AS BLOB)
					FROM (SELECT payload FROM ${table} WHERE ${range} ${rest})`,
				)
				.pluck() as Statement<Bounds, Buffer | null>,
		});
		const waiting = `AND phase = ${DeliveryPhase.Queued}`;
		this.#parts = {
			[QueuePart.All]: part("ORDER BY id"),
			// Sent rows are few, and may lie anywhere among many that wait.
			[QueuePart.Sent]: part(
				`AND phase <> ${DeliveryPhase.Queued} ORDER BY id`,
				"queue INDEXED BY queue_sent",
			),
			[QueuePart.Waiting]: part(`${waiting} ORDER BY id`),
			[QueuePart.Newest]: part(`${waiting} ORDER BY id DESC`),
		};
		this.#ofTopic = part("ORDER BY id", "queue", OF_TOPIC);
	}

	/** Writes a page (page-codec.ts). The first message comes whatever its size. */
	write(writer: ByteWriter, request: QueuePageRequest): void {
		const { heads, isLast } = this.#readHeads(request);
		const payloads = this.#readPayloads(request, heads);
		let at = 0;
		for (const head of heads) {
			if (head.message === null) {
				const end = at + (head.payloadBytes ?? 0);
				const row = { ...head, payload: payloads.subarray(at, end) };
				refuseDamaged(request.key, head, row);
				writeQueued(writer, head, toMessage(row));
				at = end;
				continue;
			}
			refuseDamaged(request.key, head, { ...head, payload: null });
			const message = this.#messages.get(head.message);
			if (message !== null) writeQueued(writer, head, message);
		}
		writeQueuePageEnd(writer, isLast);
	}

	#readHeads(request: QueuePageRequest): { heads: Head[]; isLast: boolean } {
		const { after, maxMessages, maxBytes, part } = request;
		const from = part === QueuePart.Newest ? 0 : after + 1;
		const rows = this.#statementsOf(request).heads.iterate(
			...boundsOf(request, from, LAST_SEQUENCE),
		);
		const heads: Head[] = [];
		let bytes = 0;
		for (const row of rows) {
			bytes += row.bytes;
			const isFull = heads.length > 0 && bytes > maxBytes;
			if (heads.length === maxMessages || isFull)
				return { heads, isLast: false };
			heads.push(row);
		}
		return { heads, isLast: true };
	}

	#readPayloads(request: QueuePageRequest, heads: readonly Head[]): Buffer {
		const first = heads[0]?.sequence ?? 0;
		const last = heads.at(-1)?.sequence ?? 0;
		const from = Math.min(first, last);
		const to = Math.max(first, last);
		// It may be large: no further copies of it.
		const payloads =
			first === last
				? this.#payload.get(request.key, first)
				: this.#statementsOf(request).payloads.get(
						...boundsOf(request, from, to),
					);
		return payloads ?? NO_BYTES;
	}

	#statementsOf({ topic, part }: QueuePageRequest): PartStatements {
		return topic === null ? this.#parts[part] : this.#ofTopic;
	}
}

/** @throws UnusableFile: a bit has flipped in the row */
function refuseDamaged(queue: number, head: Head, body: SummedBody): void {
	const { sequence, flags, origin, message, checksum } = head;
	if (checksum === null) return;
	const sum = queueChecksum(queue, sequence, message ?? 0, flags, origin, body);
	if (sum !== checksum) throw new UnusableFile("a queued message is damaged");
}

function boundsOf(
	{ key, topic }: QueuePageRequest,
	from: number,
	to: number,
): Bounds {
	return topic === null ? [key, from, key, to] : [key, topic, from, to];
}
