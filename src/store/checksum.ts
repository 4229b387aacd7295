import { crc32 } from "node:zlib";

/**
 * Checksums of rows that hold messages: SQLite does not notice a bit that flips inside a
 * value, and a client would act on it. Worker thread only.
 */

export interface SummedBody {
	readonly bodyFlags: number;
	readonly expirySeconds: number;
	readonly topic: string | null;
	readonly properties: Buffer | null;
	readonly payload: Buffer | null;
}

/** @returns a whole number of 32 bits, with a sign: that takes 4 bytes in a row */
export function bodyChecksum(body: SummedBody): number {
	return sumBody(body, 0) | 0;
}

/**
 * Of a row in a queue, with its place: a row that another queue has by damage is noticed.
 * What changes while the message is being delivered is left out.
 * @param sharedBody 0 when the row has a body of its own
 */
export function queueChecksum(
	queue: number,
	sequence: number,
	sharedBody: number,
	flags: number,
	origin: Buffer | null,
	body: SummedBody,
): number {
	const place = Math.imul(queue, 0x9e3779b1) ^ sequence ^ (sharedBody << 3);
	const start = (place ^ (flags << 29)) >>> 0;
	const sum = origin === null ? start : crc32(origin, start);
	return (sharedBody > 0 ? sum : sumBody(body, sum)) | 0;
}

function sumBody(body: SummedBody, start: number): number {
	const { bodyFlags, expirySeconds, topic, properties, payload } = body;
	let sum = (start ^ bodyFlags ^ (expirySeconds << 3)) >>> 0;
	if (topic !== null) sum = crc32(topic, sum);
	if (properties !== null) sum = crc32(properties, sum);
	if (payload !== null) sum = crc32(payload, sum);
	return sum;
}
