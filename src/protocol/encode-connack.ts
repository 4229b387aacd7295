import { varintSize, writeUint16, writeUint32, writeVarint } from "./bytes.ts";
import { PacketType, PropertyId } from "./constants.ts";
import type { ConnackProperties, Family } from "./messages.ts";

/** CONNACK, the answer that all clients want at once when the power comes back. */

const FIRST_BYTE = PacketType.Connack << 4;

/**
 * @param code a reason code of version 5, or the return code of 3.x (`dialect.connackCode`)
 * @param properties ignored for family 3
 */
export function encodeConnack(
	family: Family,
	sessionPresent: boolean,
	code: number,
	properties: ConnackProperties = {},
): Buffer {
	const flags = sessionPresent ? 1 : 0;
	if (family === 3) return Buffer.from([FIRST_BYTE, 2, flags, code]);
	const writer = new PropertyWriter(roomFor(properties));
	writeProperties(writer, properties);
	const { bytes, length } = writer;
	const bodyLength = 2 + varintSize(length) + length;
	const frame = Buffer.allocUnsafe(1 + varintSize(bodyLength) + bodyLength);
	frame[0] = FIRST_BYTE;
	let at = writeVarint(frame, 1, bodyLength);
	frame[at++] = flags;
	frame[at++] = code; // [MQTT-3.2.2-1]
	at = writeVarint(frame, at, length);
	bytes.copy(frame, at, 0, length);
	return frame;
}

/** All numbers together take less. */
const NUMBERS_BYTES = 32;
/** The most that UTF-8 makes of one unit of a string. */
const UNIT_BYTES = 3;

function roomFor(properties: ConnackProperties): number {
	const units =
		(properties.assignedClientIdentifier?.length ?? 0) +
		(properties.reasonString?.length ?? 0) +
		(properties.responseInformation?.length ?? 0) +
		(properties.authenticationMethod?.length ?? 0);
	const data = properties.authenticationData?.length ?? 0;
	const heads = 5 * 3; // identifier and length of each string
	return NUMBERS_BYTES + heads + UNIT_BYTES * units + data;
}

function writeProperties(writer: PropertyWriter, from: ConnackProperties) {
	writer.uint32(PropertyId.SessionExpiryInterval, from.sessionExpiryInterval);
	writer.uint16(PropertyId.ReceiveMaximum, from.receiveMaximum);
	writer.byte(PropertyId.MaximumQoS, from.maximumQoS);
	const { retainAvailable } = from;
	writer.byte(
		PropertyId.RetainAvailable,
		retainAvailable === undefined ? undefined : Number(retainAvailable),
	);
	writer.uint32(PropertyId.MaximumPacketSize, from.maximumPacketSize);
	writer.text(
		PropertyId.AssignedClientIdentifier,
		from.assignedClientIdentifier,
	);
	writer.uint16(PropertyId.TopicAliasMaximum, from.topicAliasMaximum);
	writer.text(PropertyId.ReasonString, from.reasonString);
	writer.uint16(PropertyId.ServerKeepAlive, from.serverKeepAlive);
	writer.text(PropertyId.ResponseInformation, from.responseInformation);
	writer.text(PropertyId.AuthenticationMethod, from.authenticationMethod);
	writer.data(PropertyId.AuthenticationData, from.authenticationData);
}

/** Writes properties behind each other; those that are undefined not at all. */
class PropertyWriter {
	readonly bytes: Buffer;
	length = 0;

	/** @param room bytes that are enough for all that will be written */
	constructor(room: number) {
		this.bytes = Buffer.allocUnsafe(room);
	}

	byte(id: number, value: number | undefined): void {
		if (value === undefined) return;
		this.bytes[this.length++] = id;
		this.bytes[this.length++] = value;
	}

	uint16(id: number, value: number | undefined): void {
		if (value === undefined) return;
		this.bytes[this.length++] = id;
		this.length = writeUint16(this.bytes, this.length, value);
	}

	uint32(id: number, value: number | undefined): void {
		if (value === undefined) return;
		this.bytes[this.length++] = id;
		this.length = writeUint32(this.bytes, this.length, value);
	}

	text(id: number, value: string | undefined): void {
		if (value !== undefined) this.data(id, Buffer.from(value));
	}

	data(id: number, value: Buffer | undefined): void {
		if (value === undefined) return;
		this.uint16(id, value.length);
		this.length += value.copy(this.bytes, this.length);
	}
}
