import type { Database, Statement } from "better-sqlite3";
import type { ApplicationMessage } from "../../protocol/messages.ts";
import { queueChecksum, type SummedBody } from "../checksum.ts";
import { messageBytes } from "../message-codec.ts";
import {
	BodyPlace,
	LAST_SEQUENCE,
	type Operation,
	OperationKind,
} from "../operation.ts";
import { DeliveryPhase } from "../store.ts";
import type { Replaced } from "../worker-messages.ts";
import type { LaneTable } from "./lane.ts";
import { type MessageTable, summedBody } from "./message.ts";
import { ID, RANGE } from "./queue-id.ts";
import { QueueTopicTable } from "./queue-topic.ts";
import type { QueueTotalTable } from "./queue-total.ts";

/**
 * The table `queue`: one row for each message in each queue. Worker thread only.
 *
 *     id = queue << 37 | sequence          one integer key: rows of a queue are
 *     +-----------+------------------+     neighbours, a page of a queue is one range,
 *     | 26 bits   | 37 bits          |     and inner pages of the tree hold keys only
 *     +-----------+------------------+
 *
 * Removals are collected over a batch and done at its end, by ranges where sequences
 * follow each other: acknowledgements come in order, and one range costs a fraction of
 * its rows one by one (test/bench/store.ts).
 */

/** The columns of a row whose body is shared. */
const NO_BODY: SummedBody = {
	bodyFlags: 0,
	expirySeconds: 0,
	topic: null,
	properties: null,
	payload: null,
};
/** Runs of at least this many consecutive sequences are removed as a range. */
const SHORTEST_RANGE = 3;

type SequenceRange = readonly [from: number, to: number];
type Removed = [bytes: number, message: number | null];
type RangeTotal = [messages: number, bytes: number | null, shared: number];

export class QueueTable {
	readonly #messages: MessageTable;
	readonly #totals: QueueTotalTable;
	readonly #lanes: LaneTable;
	readonly #topics: QueueTopicTable;
	readonly #insert: Statement;
	/** For nearly all messages: each value that is bound costs. */
	readonly #insertPlain: Statement;
	readonly #markSent: Statement;
	readonly #markReleased: Statement;
	readonly #remove: Statement<number[], Removed>;
	readonly #rangeTotal: Statement<number[], RangeTotal>;
	readonly #rangeShared: Statement<number[], number>;
	readonly #removeRange: Statement<number[]>;
	/** What is to be removed at the end of this batch, by queue. */
	readonly #removals = new Map<number, SequenceRange[]>();
	/** Shared bodies that lost a queue row in this batch. */
	readonly #released = new Set<number>();
	/** The shared body that following rows of this batch refer to. */
	#shared = 0;
	#sharedBytes = 0;
	#sharedTopic = "";
	/** What this batch has taken out to make place for newer ones. */
	#replaced: Replaced[] = [];

	constructor(
		database: Database,
		messages: MessageTable,
		totals: QueueTotalTable,
		lanes: LaneTable,
	) {
		this.#lanes = lanes;
		this.#topics = new QueueTopicTable(database);
		this.#messages = messages;
		this.#totals = totals;
		this.#insert = database.prepare(
			`INSERT INTO queue (id, flags, phase, packet_id, bytes, expires_at, message, origin,
				body_flags, expiry_seconds, topic, properties, payload, checksum)
			VALUES (${ID}, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		);
		this.#insertPlain = database.prepare(
			`INSERT INTO queue (id, flags, phase, packet_id, bytes, expires_at, message, origin,
				body_flags, expiry_seconds, topic, properties, payload, checksum)
			VALUES (${ID}, ?, ${DeliveryPhase.Queued}, 0, ?, 0, NULL, x'', ?, -1, ?, NULL, ?, ?)`,
		);
		this.#markSent = database.prepare(
			`UPDATE queue SET phase = ${DeliveryPhase.Sent}, packet_id = ? WHERE id = ${ID}`,
		);
		this.#markReleased = database.prepare(
			`UPDATE queue SET phase = ${DeliveryPhase.Released} WHERE id = ${ID}`,
		);
		this.#remove = database
			.prepare<number[], Removed>(
				`DELETE FROM queue WHERE id = ${ID} RETURNING bytes, message`,
			)
			.raw() as Statement<number[], Removed>;
		this.#rangeTotal = database
			.prepare<number[], RangeTotal>(
				`SELECT count(*), sum(bytes), count(message) FROM queue WHERE ${RANGE}`,
			)
			.raw() as Statement<number[], RangeTotal>;
		this.#rangeShared = database
			.prepare<number[], number>(
				`SELECT DISTINCT message FROM queue WHERE ${RANGE} AND message IS NOT NULL`,
			)
			.pluck() as Statement<number[], number>;
		this.#removeRange = database.prepare(`DELETE FROM queue WHERE ${RANGE}`);
	}

	begin(): void {
		this.#removals.clear();
		this.#released.clear();
		this.#replaced = [];
		this.#totals.begin();
	}

	enqueue(operation: Operation): void {
		const message = operation.message;
		let bytes = this.#sharedBytes;
		if (message !== null) {
			bytes = messageBytes(message);
			if (operation.place === BodyPlace.FirstOfShared) {
				this.#shared = this.#messages.insert(message);
				this.#sharedBytes = bytes;
				this.#sharedTopic = message.topic;
			}
		}
		const inline = operation.place === BodyPlace.Inline ? message : null;
		let topic = inline === null ? null : inline.topic;
		if (this.#lanes.isByTopic(operation.key)) {
			topic = message === null ? this.#sharedTopic : message.topic;
			this.#noteTopic(operation, topic);
		}
		if (inline !== null && isPlain(operation, inline)) {
			const { key, sequence, flags } = operation;
			const body = summedBody(inline);
			this.#insertPlain.run(
				key,
				sequence,
				flags,
				bytes,
				body.bodyFlags,
				topic,
				inline.payload,
				queueChecksum(key, sequence, 0, flags, null, body),
			);
		} else this.#insertAny(operation, inline, topic, bytes);
		this.#totals.change(operation.key, 1, bytes, operation.sequence);
	}

	/** The messages that were replaced since {@link begin}. */
	get replaced(): readonly Replaced[] {
		return this.#replaced;
	}

	/** In a lane by topic, before the row itself. */
	#noteTopic({ key, kind, sequence }: Operation, topic: string): void {
		if (kind === OperationKind.Replace) this.#makePlace(key, topic);
		this.#topics.put(key, topic, sequence);
	}

	#makePlace(queue: number, topic: string): void {
		const removals = this.#removals.get(queue);
		for (const sequence of this.#topics.waiting(queue, topic)) {
			// What the client has taken goes by itself.
			if (removals?.some(([from, to]) => from <= sequence && sequence <= to))
				continue;
			const bytes = this.#removeOne(queue, sequence);
			if (bytes !== null) this.#replaced.push([queue, sequence, bytes]);
		}
	}

	#insertAny(
		operation: Operation,
		inline: ApplicationMessage | null,
		topic: string | null,
		bytes: number,
	): void {
		const { key, sequence, flags, value: origin } = operation;
		const body = inline === null ? NO_BODY : summedBody(inline);
		const shared = inline === null ? this.#shared : null;
		this.#insert.run(
			key,
			sequence,
			flags,
			operation.phase,
			operation.number,
			bytes,
			Math.round(operation.expiresAtWallMs),
			shared,
			origin,
			body.bodyFlags,
			body.expirySeconds,
			topic,
			body.properties,
			body.payload,
			queueChecksum(key, sequence, shared ?? 0, flags, origin, body),
		);
	}

	markSent(queue: number, sequence: number, packetId: number): void {
		this.#markSent.run(packetId, queue, sequence);
	}

	markReleased(queue: number, sequence: number): void {
		this.#markReleased.run(queue, sequence);
	}

	/** Both ends are removed too. */
	remove(queue: number, from: number, to: number): void {
		const ranges = this.#removals.get(queue);
		if (ranges === undefined) this.#removals.set(queue, [[from, to]]);
		else ranges.push([from, to]);
	}

	/** Removes a whole queue and its totals. */
	clear(queue: number): void {
		this.#removals.delete(queue);
		for (const id of this.#rangeShared.iterate(queue, 0, queue, LAST_SEQUENCE))
			this.#released.add(id);
		this.#removeRange.run(queue, 0, queue, LAST_SEQUENCE);
		this.#totals.delete(queue);
		if (this.#lanes.isByTopic(queue)) this.#topics.clear(queue);
	}

	finish(): void {
		for (const [queue, ranges] of this.#removals)
			for (const [from, to] of joined(ranges))
				this.#removeRangeOrRows(queue, from, to);
		this.#messages.deleteUnused(this.#released);
		this.#totals.finish();
	}

	#removeRangeOrRows(queue: number, from: number, to: number): void {
		if (to - from + 1 >= SHORTEST_RANGE) {
			this.#removeConsecutive(queue, from, to);
			return;
		}
		for (let sequence = from; sequence <= to; sequence++)
			this.#removeOne(queue, sequence);
	}

	/** @returns the bytes of the message; null when it was not there */
	#removeOne(queue: number, sequence: number): number | null {
		if (this.#lanes.isByTopic(queue))
			this.#topics.removeRange(queue, sequence, sequence);
		const removed = this.#remove.get(queue, sequence);
		if (removed === undefined) return null;
		const [bytes, message] = removed;
		if (message !== null) this.#released.add(message);
		this.#totals.change(queue, -1, -bytes, 0);
		return bytes;
	}

	#removeConsecutive(queue: number, from: number, to: number): void {
		const total = this.#rangeTotal.get(queue, from, queue, to);
		if (total === undefined || total[0] === 0) return;
		const [messages, bytes, shared] = total;
		if (shared > 0)
			for (const id of this.#rangeShared.iterate(queue, from, queue, to))
				this.#released.add(id);
		if (this.#lanes.isByTopic(queue)) this.#topics.removeRange(queue, from, to);
		this.#removeRange.run(queue, from, queue, to);
		this.#totals.change(queue, -messages, -(bytes ?? 0), 0);
	}
}

/** Not sent, of no end, without properties, and through no subscription that has to be told. */
function isPlain(operation: Operation, message: ApplicationMessage): boolean {
	return (
		operation.phase === DeliveryPhase.Queued &&
		operation.number === 0 &&
		operation.expiresAtWallMs === 0 &&
		operation.value?.length === 0 &&
		message.expirySeconds === -1 &&
		message.properties.length === 0
	);
}

/** In order, with neighbours as one. Changes the order of what it is given. */
function joined(ranges: SequenceRange[]): SequenceRange[] {
	ranges.sort(([a], [b]) => a - b);
	const all: SequenceRange[] = [];
	for (const [from, to] of ranges) {
		const last = all.at(-1);
		if (last !== undefined && from <= last[1] + 1)
			all[all.length - 1] = [last[0], Math.max(last[1], to)];
		else all.push([from, to]);
	}
	return all;
}
