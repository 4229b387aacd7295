import { ByteReader, ByteWriter } from "./byte-writer.ts";

/**
 * Which subscriptions a queued message came through, as the column `queue.origin` holds
 * it. Empty for nearly all messages. Pure.
 */
export interface Origin {
	readonly identifiers: readonly number[];
	readonly sharedGroup: string | null;
}

const NO_BYTES = Buffer.alloc(0);
const NO_ORIGIN: Origin = { identifiers: [], sharedGroup: null };

export function encodeOrigin(
	identifiers: readonly number[],
	sharedGroup: string | null,
): Buffer {
	if (identifiers.length === 0 && sharedGroup === null) return NO_BYTES;
	const writer = new ByteWriter();
	writer.u16(identifiers.length);
	for (const identifier of identifiers) writer.u32(identifier);
	writer.u8(sharedGroup === null ? 0 : 1);
	if (sharedGroup !== null) writer.text(sharedGroup);
	return writer.toBuffer();
}

export function decodeOrigin(blob: Buffer): Origin {
	if (blob.length === 0) return NO_ORIGIN;
	const reader = new ByteReader(blob.buffer, blob.byteOffset, blob.length);
	const identifiers: number[] = [];
	for (let left = reader.u16(); left > 0; left--)
		identifiers.push(reader.u32());
	return {
		identifiers,
		sharedGroup: reader.u8() === 1 ? reader.text() : null,
	};
}
