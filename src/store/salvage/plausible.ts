import {
	type PublishPropertyNotes,
	scanPublishProperties,
} from "../../protocol/publish-properties.ts";
import { checkTopicFilter, checkTopicName } from "../../protocol/topic.ts";
import { ByteReader } from "../byte-writer.ts";
import { bodyChecksum, queueChecksum, type SummedBody } from "../checksum.ts";
import { readWill } from "../message-codec.ts";
import { LAST_KEY, LAST_SEQUENCE } from "../operation.ts";
import { decodeOrigin } from "../origin-codec.ts";
import type { Value } from "./tree-page.ts";

/**
 * Whether a row read from a damaged file can be one that the broker wrote. A bit that
 * flips inside a row leaves it readable; one that makes a topic end in '#' would get
 * every client disconnected that is sent it. Also what tells rows of one table from
 * those of another where a page's owner is unknown. Worker thread only.
 */

export type Row = Readonly<Record<string, Value | undefined>>;

const LARGEST_BODY = 268_435_455;
const FOR_EVER = 0xffffffff;
const LAST_TIME = 8.64e15;

/** A table that is not listed here has no rules of its own. */
const rules: Readonly<Record<string, (row: Row) => boolean>> = {
	session: (row) =>
		isBetween(row.key, 1, LAST_KEY) &&
		isText(row.client_id, 1) &&
		(row.username === null || isText(row.username, 0)) &&
		isBetween(row.expiry_seconds, 0, FOR_EVER) &&
		isBetween(row.disconnected_at, 0, LAST_TIME) &&
		isWill(row.will),
	subscription: (row) =>
		isBetween(row.session, 1, LAST_KEY) &&
		isTopic(row.filter, checkTopicFilter) &&
		isBetween(row.options, 0, 15) &&
		Number(row.options) % 4 !== 3 &&
		isBetween(row.identifier, 0, LARGEST_BODY),
	received_qos2: (row) =>
		isBetween(row.session, 1, LAST_KEY) && isBetween(row.packet_id, 1, 65_535),
	queue: isQueued,
	queue_total: (row) =>
		isBetween(row.queue, 1, LAST_KEY) &&
		isBetween(row.messages, 0, LAST_SEQUENCE) &&
		isBetween(row.bytes, 0, Number.MAX_SAFE_INTEGER) &&
		isBetween(row.last_sequence, 0, LAST_SEQUENCE),
	lane: (row) =>
		isBetween(row.queue, 1, LAST_KEY) &&
		isBetween(row.session, 1, LAST_KEY) &&
		isText(row.name, 0) &&
		isBetween(row.by_topic, 0, 1),
	queue_topic: (row) =>
		isBetween(row.queue, 1, LAST_KEY) &&
		isTopic(row.topic, checkTopicName) &&
		isBetween(row.sequence, 1, LAST_SEQUENCE),
	message: (row) =>
		isBetween(row.id, 1, LAST_TIME) &&
		isBody(row) &&
		isSum(row.checksum, bodyChecksum(bodyOf(row))),
	retained: (row) =>
		isBetween(row.expires_at, 0, LAST_TIME) &&
		isBody(row) &&
		row.bytes === bodyBytes(row) &&
		isSum(row.checksum, bodyChecksum(bodyOf(row))),
	extension_value: (row) => isText(row.space, 1) && isText(row.name, 0),
	meta: (row) => isText(row.name, 1),
};

/** The row, or as much of it as makes sense; null when it makes none. */
export function plausible(table: string, row: Row): Row | null {
	const rule = rules[table];
	if (rule === undefined || rule(row)) return row;
	// A session is worth more than its will.
	const withoutWill = { ...row, will: null };
	return table === "session" && rule(withoutWill) ? withoutWill : null;
}

function isQueued(row: Row): boolean {
	if (
		!isBetween(row.id, LAST_SEQUENCE + 1, 2 ** 63) ||
		!isFlags(row.flags) ||
		!isBetween(row.phase, 0, 2) ||
		!isBetween(row.packet_id, 0, 65_535) ||
		(Number(row.phase) > 0 && Number(row.packet_id) === 0) ||
		!isBetween(row.bytes, 0, LARGEST_BODY) ||
		!isBetween(row.expires_at, 0, LAST_TIME) ||
		!isReadable(row.origin, (bytes) => decodeOrigin(bytes))
	)
		return false;
	const isShared = isBetween(row.message, 1, LAST_TIME);
	if (row.message !== null && !isShared) return false;
	const isWhole = isShared || (isBody(row) && row.bytes === bodyBytes(row));
	return isWhole && isSum(row.checksum, queueSum(row));
}

function isBody(row: Row): boolean {
	return (
		isFlags(row.body_flags) &&
		isBetween(row.expiry_seconds, -1, FOR_EVER) &&
		isTopic(row.topic, checkTopicName) &&
		(row.properties === null || isReadable(row.properties, scan)) &&
		Buffer.isBuffer(row.payload)
	);
}

/** Rows from before there were checksums have none. */
function isSum(value: Value | undefined, sum: number): boolean {
	return value === undefined || value === null || Number(value) === sum;
}

function queueSum(row: Row): number {
	const id = BigInt(row.id as number | bigint);
	return queueChecksum(
		Number(id >> 37n),
		Number(id & BigInt(LAST_SEQUENCE)),
		Number(row.message ?? 0),
		Number(row.flags),
		row.origin as Buffer | null,
		bodyOf(row),
	);
}

/** Only for rows that have passed {@link isBody}, or hold no body. */
function bodyOf(row: Row): SummedBody {
	return {
		bodyFlags: Number(row.body_flags),
		expirySeconds: Number(row.expiry_seconds),
		topic: row.topic as string | null,
		properties: row.properties as Buffer | null,
		payload: row.payload as Buffer | null,
	};
}

function bodyBytes({ topic, properties, payload }: Row): number {
	const blob = (value: Value | undefined) =>
		Buffer.isBuffer(value) ? value.length : 0;
	return Buffer.byteLength(String(topic)) + blob(properties) + blob(payload);
}

function isWill(value: Value | undefined): boolean {
	if (value === null) return true;
	return isReadable(value, (bytes) => {
		const reader = new ByteReader(bytes.buffer, bytes.byteOffset, bytes.length);
		const will = readWill(reader);
		const problem = checkTopicName(will.topic);
		if (problem !== null || !reader.isAtEnd) throw new RangeError("no will");
		scan(will.properties);
	});
}

function scan(properties: Buffer): void {
	const notes: PublishPropertyNotes = {
		aliasAt: -1,
		topicAlias: 0,
		expiryAt: -1,
		expirySeconds: -1,
	};
	scanPublishProperties(properties, 0, properties.length, notes);
}

function isReadable(
	value: Value | undefined,
	read: (bytes: Buffer) => void,
): boolean {
	if (!Buffer.isBuffer(value)) return false;
	try {
		read(value);
		return true;
	} catch {
		return false;
	}
}

/** QoS 0 to 2 and the RETAIN flag. */
function isFlags(value: Value | undefined): boolean {
	return isBetween(value, 0, 6) && Number(value) !== 3;
}

function isTopic(
	value: Value | undefined,
	check: (topic: string) => string | null,
): boolean {
	return typeof value === "string" && check(value) === null;
}

function isText(value: Value | undefined, leastLength: number): boolean {
	return typeof value === "string" && value.length >= leastLength;
}

function isBetween(
	value: Value | undefined,
	least: number,
	most: number,
): boolean {
	return (
		(typeof value === "number" || typeof value === "bigint") &&
		value >= least &&
		value <= most
	);
}
