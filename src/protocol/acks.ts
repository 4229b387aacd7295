import {
	byteAt,
	malformed,
	uint16At,
	varintSize,
	violation,
	writeUint16,
	writeVarint,
} from "./bytes.ts";
import { PacketType, PropertyId, packetTypeName } from "./constants.ts";
import type { Acknowledgement, Family } from "./messages.ts";
import { Context, readProperties } from "./properties.ts";
import { ReasonCode } from "./reason-codes.ts";

/**
 * PUBACK, PUBREC, PUBREL, PUBCOMP, PINGREQ and PINGRESP: small packets that come as
 * often as messages do, so they are read and written here directly. Pure functions.
 */

const DUP = 8;

/** The four packets that move a message with QoS > 0 on. */
export type AcknowledgementType =
	| typeof PacketType.Puback
	| typeof PacketType.Pubrec
	| typeof PacketType.Pubrel
	| typeof PacketType.Pubcomp;

/** What PUBACK and PUBREC may say [MQTT 5, 3.4.2.1, 3.5.2.1]. */
const receiptCodes: ReadonlySet<number> = new Set([
	ReasonCode.Success,
	ReasonCode.NoMatchingSubscribers,
	ReasonCode.UnspecifiedError,
	ReasonCode.ImplementationSpecificError,
	ReasonCode.NotAuthorized,
	ReasonCode.TopicNameInvalid,
	ReasonCode.PacketIdentifierInUse,
	ReasonCode.QuotaExceeded,
	ReasonCode.PayloadFormatInvalid,
]);

/** The lower four bits that a type has to have in its first byte [MQTT 5, 2.1.3]. */
function requiredFlags(type: AcknowledgementType): number {
	return type === PacketType.Pubrel ? 2 : 0;
}

function isAllowedReason(type: AcknowledgementType, code: number): boolean {
	if (type === PacketType.Puback || type === PacketType.Pubrec)
		return receiptCodes.has(code); // [MQTT-3.4.2-1] [MQTT-3.5.2-1]
	return (
		code === ReasonCode.Success || code === ReasonCode.PacketIdentifierNotFound
	); // [MQTT-3.6.2-1] [MQTT-3.7.2-1]
}

/**
 * Decodes a PUBACK, PUBREC, PUBREL or PUBCOMP; the type is in its first byte.
 * @param dupAllowed the dialect lets a PUBREL be sent again with DUP (3.1)
 * @throws ProtocolError
 */
export function decodeAcknowledgement(
	buffer: Buffer,
	start: number,
	bodyStart: number,
	end: number,
	family: Family,
	dupAllowed = false,
): Acknowledgement {
	const first = byteAt(buffer, start);
	const type = (first >> 4) as AcknowledgementType;
	const ignored = dupAllowed && type === PacketType.Pubrel ? DUP : 0; // [v3.1 section 4.1]
	if ((first & 15 & ~ignored) !== requiredFlags(type))
		throw malformed(`${packetTypeName[type]} with wrong flags`); // [MQTT-3.6.1-1]
	const length = end - bodyStart;
	if (length < 2) throw malformed(`${packetTypeName[type]} is cut off`);
	if (family === 3 && length !== 2)
		throw malformed(`${packetTypeName[type]} with bytes behind its end`);
	const packetId = uint16At(buffer, bodyStart);
	if (packetId === 0)
		throw violation(`${packetTypeName[type]} with packet identifier 0`); // [MQTT-2.2.1-3]
	if (length === 2) return { packetId, reasonCode: ReasonCode.Success };

	const reasonCode = byteAt(buffer, bodyStart + 2);
	if (!isAllowedReason(type, reasonCode))
		throw violation(
			`${packetTypeName[type]} with reason code 0x${reasonCode.toString(16)}`,
		);
	if (length > 3) {
		const properties = readProperties(
			buffer,
			bodyStart + 3,
			end,
			Context.Acknowledgement,
		);
		if (properties.end !== end)
			throw malformed(`${packetTypeName[type]} with bytes behind its end`);
	}
	return { packetId, reasonCode };
}

/**
 * Encodes a PUBACK, PUBREC, PUBREL or PUBCOMP.
 * @param reasonCode left out when 0, and for family 3, which has none
 * @param reasonString the caller has checked that the client wants it and has room for it
 */
export function encodeAcknowledgement(
	type: AcknowledgementType,
	packetId: number,
	reasonCode: number,
	family: Family,
	reasonString: string | null = null,
): Buffer {
	const first = (type << 4) | requiredFlags(type); // [MQTT-2.1.3-1]
	const hasReason = family === 5 && reasonCode !== ReasonCode.Success;
	if (family === 5 && reasonString !== null)
		return encodeWithReasonString(first, packetId, reasonCode, reasonString);
	const frame = Buffer.allocUnsafe(hasReason ? 5 : 4);
	frame[0] = first;
	frame[1] = hasReason ? 3 : 2;
	writeUint16(frame, 2, packetId); // [MQTT-2.2.1-5]
	if (hasReason) frame[4] = reasonCode;
	return frame;
}

function encodeWithReasonString(
	first: number,
	packetId: number,
	reasonCode: number,
	reasonString: string,
): Buffer {
	const text = Buffer.from(reasonString, "utf8");
	const propertiesLength = 3 + text.length;
	const remaining = 3 + varintSize(propertiesLength) + propertiesLength;
	const frame = Buffer.allocUnsafe(1 + varintSize(remaining) + remaining);
	frame[0] = first;
	let at = writeVarint(frame, 1, remaining);
	at = writeUint16(frame, at, packetId);
	frame[at++] = reasonCode;
	at = writeVarint(frame, at, propertiesLength);
	frame[at++] = PropertyId.ReasonString;
	at = writeUint16(frame, at, text.length);
	text.copy(frame, at);
	return frame;
}

/** Checks a PINGREQ. @throws ProtocolError */
export function decodePingreq(
	buffer: Buffer,
	start: number,
	bodyStart: number,
	end: number,
): void {
	if ((byteAt(buffer, start) & 15) !== 0)
		throw malformed("PINGREQ with wrong flags"); // [MQTT-2.1.3-1]
	if (bodyStart !== end) throw malformed("PINGREQ with bytes behind its end");
}

/** The one and only PINGRESP; not to be written to. */
export const PINGRESP: Buffer = Buffer.from([PacketType.Pingresp << 4, 0]);
