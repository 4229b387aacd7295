import { varintSize, writeUint16, writeVarint } from "./bytes.ts";
import { PacketType, PropertyId } from "./constants.ts";
import type { Family } from "./messages.ts";

/** SUBACK and UNSUBACK; whether a Reason String fits is the caller's business. */

/** @param codes one for each filter of the SUBSCRIBE, in its order [MQTT-3.9.3-1] */
export function encodeSuback(
	packetId: number,
	codes: readonly number[],
	family: Family,
	reasonString: string | null = null,
): Buffer {
	return encode(PacketType.Suback, packetId, codes, family, reasonString); // [MQTT-3.8.4-2]
}

/** @param codes one for each filter of the UNSUBSCRIBE, in its order; not sent to family 3 */
export function encodeUnsuback(
	packetId: number,
	codes: readonly number[],
	family: Family,
	reasonString: string | null = null,
): Buffer {
	const sent = family === 5 ? codes : []; // [MQTT-3.11.3-1]
	return encode(PacketType.Unsuback, packetId, sent, family, reasonString); // [MQTT-3.10.4-5]
}

function encode(
	type: PacketType,
	packetId: number,
	codes: readonly number[],
	family: Family,
	reasonString: string | null,
): Buffer {
	const properties = family === 5 ? propertiesWith(reasonString) : NOTHING;
	const bodyLength = 2 + properties.length + codes.length;
	const frame = Buffer.allocUnsafe(1 + varintSize(bodyLength) + bodyLength);
	frame[0] = type << 4;
	let at = writeVarint(frame, 1, bodyLength);
	at = writeUint16(frame, at, packetId); // [MQTT-2.2.1-6]
	at += properties.copy(frame, at);
	for (const code of codes) frame[at++] = code;
	return frame;
}

const NOTHING = Buffer.alloc(0);
const NO_PROPERTIES = Buffer.from([0]);

/** The Property Length and what it measures. */
function propertiesWith(reasonString: string | null): Buffer {
	if (reasonString === null) return NO_PROPERTIES;
	const textLength = Buffer.byteLength(reasonString);
	const length = 3 + textLength;
	const bytes = Buffer.allocUnsafe(varintSize(length) + length);
	let at = writeVarint(bytes, 0, length);
	bytes[at++] = PropertyId.ReasonString;
	at = writeUint16(bytes, at, textLength);
	bytes.write(reasonString, at);
	return bytes;
}
