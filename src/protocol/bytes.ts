import { MAX_REMAINING_LENGTH } from "./constants.ts";
import { ProtocolError } from "./protocol-error.ts";
import { ReasonCode } from "./reason-codes.ts";

/**
 * Single bytes and the integer forms of MQTT [MQTT 5, 1.5].
 *
 * The readers do not check their range: the caller has compared its cursor with the
 * end of the frame first. Small functions on plain numbers, so that they are inlined.
 */

export function byteAt(buffer: Buffer, at: number): number {
	return buffer[at] as number;
}

export function uint16At(buffer: Buffer, at: number): number {
	return ((buffer[at] as number) << 8) | (buffer[at + 1] as number);
}

export function uint32At(buffer: Buffer, at: number): number {
	return (
		(buffer[at] as number) * 0x1000000 +
		(((buffer[at + 1] as number) << 16) |
			((buffer[at + 2] as number) << 8) |
			(buffer[at + 3] as number))
	);
}

export function writeUint16(buffer: Buffer, at: number, value: number): number {
	buffer[at] = value >>> 8;
	buffer[at + 1] = value;
	return at + 2;
}

export function writeUint32(buffer: Buffer, at: number, value: number): number {
	buffer[at] = value >>> 24;
	buffer[at + 1] = value >>> 16;
	buffer[at + 2] = value >>> 8;
	buffer[at + 3] = value;
	return at + 4;
}

/** Bytes that a Variable Byte Integer takes: 1 to 4. */
export function varintSize(value: number): number {
	if (value < 0x80) return 1;
	if (value < 0x4000) return 2;
	return value < 0x200000 ? 3 : 4;
}

/** Writes in the fewest bytes and returns the index behind them. [MQTT-1.5.5-1] */
export function writeVarint(buffer: Buffer, at: number, value: number): number {
	let rest = value;
	while (rest > 0x7f) {
		buffer[at++] = (rest & 0x7f) | 0x80;
		rest >>>= 7;
	}
	buffer[at++] = rest;
	return at;
}

/** The packet (or what it would become) is longer than four length bytes can say. */
export function checkRemainingLength(length: number): void {
	if (length > MAX_REMAINING_LENGTH)
		throw new ProtocolError(
			ReasonCode.PacketTooLarge,
			"packet is longer than MQTT can express",
		);
}

/**
 * Reads a Variable Byte Integer that has to end before `end`.
 *
 * The value alone is returned; how many bytes it took is {@link varintSize} of it,
 * because longer spellings of the same value are refused here.
 * @throws ProtocolError MalformedPacket when it is cut off, too long or not minimal
 */
export function varintAt(
	buffer: Buffer,
	at: number,
	end: number,
	what: string,
): number {
	let value = 0;
	for (let shift = 0; shift < 28; shift += 7) {
		if (at >= end) throw malformed(`${what} is cut off`);
		const byte = buffer[at++] as number;
		value |= (byte & 0x7f) << shift;
		if (byte < 0x80) {
			if (byte === 0 && shift > 0)
				throw malformed(`${what} is not in its shortest form`); // [MQTT-1.5.5-1]
			return value;
		}
	}
	throw malformed(`${what} is longer than four bytes`);
}

/** An error to throw: bytes that cannot be read as the standard says. */
export function malformed(message: string): ProtocolError {
	return new ProtocolError(ReasonCode.MalformedPacket, message);
}

/** An error to throw: readable, but not allowed. */
export function violation(message: string): ProtocolError {
	return new ProtocolError(ReasonCode.ProtocolError, message);
}
