import type { ApplicationMessage } from "../protocol/messages.ts";
import { ByteReader, type ByteWriter } from "./byte-writer.ts";
import {
	flagsQos,
	flagsRetain,
	readMessage,
	writeMessage,
} from "./message-codec.ts";
import { decodeOrigin } from "./origin-codec.ts";
import type {
	DeliveryPhase,
	QueuedMessage,
	QueuePage,
	RetainedRecord,
} from "./store.ts";

/**
 * Pages of queues and of retained messages on their way from the worker. Pure.
 *
 * Each page is one buffer of exactly its size, and the messages read from it are views
 * of that: a page's memory lives as long as any of its messages is kept.
 */

const MORE = 1;
const END_LAST = 2;
const END_NOT_LAST = 3;
const NO_BYTES = Buffer.alloc(0);

/** What a queue row has beside its message. */
export interface QueuedFields {
	readonly sequence: number;
	readonly flags: number;
	readonly phase: number;
	readonly packetId: number;
	readonly expiresAt: number;
	readonly origin: Buffer | null;
}

export function writeQueued(
	writer: ByteWriter,
	row: QueuedFields,
	message: ApplicationMessage,
): void {
	writer.u8(MORE);
	writer.f64(row.sequence);
	writer.f64(row.expiresAt);
	writer.u16(row.packetId);
	writer.u8(row.flags);
	writer.u8(row.phase);
	writer.bytes(row.origin ?? NO_BYTES);
	writeMessage(writer, message);
}

export function writeQueuePageEnd(writer: ByteWriter, isLast: boolean): void {
	writer.u8(isLast ? END_LAST : END_NOT_LAST);
}

export function readQueuePage(page: Uint8Array): QueuePage {
	const reader = new ByteReader(page.buffer, page.byteOffset, page.length);
	const messages: QueuedMessage[] = [];
	for (;;) {
		const mark = reader.u8();
		if (mark !== MORE) return { messages, isLast: mark === END_LAST };
		const sequence = reader.f64();
		const expiresAtWallMs = reader.f64();
		const packetId = reader.u16();
		const flags = reader.u8();
		const phase = reader.u8() as DeliveryPhase;
		const origin = decodeOrigin(reader.bytes());
		messages.push({
			sequence,
			qos: flagsQos(flags),
			retain: flagsRetain(flags),
			identifiers: origin.identifiers,
			sharedGroup: origin.sharedGroup,
			phase,
			packetId,
			expiresAtWallMs,
			message: readMessage(reader),
		});
	}
}

export function writeRetained(
	writer: ByteWriter,
	expiresAtWallMs: number,
	message: ApplicationMessage,
): void {
	writer.f64(expiresAtWallMs);
	writeMessage(writer, message);
}

export function readRetainedPage(page: Uint8Array): RetainedRecord[] {
	const reader = new ByteReader(page.buffer, page.byteOffset, page.length);
	const records: RetainedRecord[] = [];
	while (!reader.isAtEnd) {
		const expiresAtWallMs = reader.f64();
		records.push({ expiresAtWallMs, message: readMessage(reader) });
	}
	return records;
}
