import { byteAt, malformed, uint16At, uint32At, violation } from "./bytes.ts";
import { PropertyId, type QoS, SESSION_NEVER_EXPIRES } from "./constants.ts";
import { checkFlags, Fields } from "./fields.ts";
import type { Connect, WillMessage } from "./messages.ts";
import {
	Context,
	copyPropertiesWithout,
	hasProperty,
	NO_PROPERTIES,
	type PropertyBlock,
	propertyAt,
	userPropertiesOf,
} from "./properties.ts";
import { ProtocolError } from "./protocol-error.ts";
import { ReasonCode } from "./reason-codes.ts";
import { checkTopicName } from "./topic.ts";

/**
 * CONNECT of all versions, in one walk over its bytes: when the power comes back all
 * clients send one at once. Nothing that is returned points into the buffer given.
 */

const ConnectFlag = {
	Reserved: 0x01,
	CleanStart: 0x02,
	Will: 0x04,
	WillQoS: 0x18,
	WillRetain: 0x20,
	Password: 0x40,
	UserName: 0x80,
} as const;
const BRIDGE_BIT = 0x80;

/** The levels that go with a protocol name. */
const levelsOfName: Readonly<Record<string, readonly number[]>> = {
	MQIsdp: [3, 3 | BRIDGE_BIT],
	MQTT: [4, 4 | BRIDGE_BIT, 5],
};

/**
 * The protocol level of a CONNECT as it was sent, whether supported or not, so that a
 * refusal can be written in the form its sender reads; 0 when there is none to be found.
 */
export function peekProtocolLevel(
	buffer: Buffer,
	bodyStart: number,
	end: number,
): number {
	if (bodyStart + 2 > end) return 0;
	const nameEnd = bodyStart + 2 + uint16At(buffer, bodyStart);
	if (nameEnd >= end) return 0;
	const name = buffer.toString("latin1", bodyStart + 2, nameEnd);
	if (!Object.hasOwn(levelsOfName, name)) return 0;
	const level = byteAt(buffer, nameEnd);
	return levelsOfName[name]?.includes(level) ? level & ~BRIDGE_BIT : level;
}

/** [MQTT-3.1.2-1] [MQTT-3.1.2-2] */
function readLevel(fields: Fields): number {
	const nameStart = fields.string("protocol name");
	const name = fields.buffer.toString("latin1", nameStart, fields.at);
	const levels = Object.hasOwn(levelsOfName, name)
		? levelsOfName[name]
		: undefined;
	if (levels === undefined)
		throw new ProtocolError(
			ReasonCode.UnsupportedProtocolVersion,
			"unknown protocol name", // [v3.1.1 MQTT-3.1.2-1]
		);
	const level = fields.byte();
	if (!levels.includes(level))
		throw new ProtocolError(
			ReasonCode.UnsupportedProtocolVersion,
			`protocol ${name} has no level ${level}`,
		);
	return level;
}

function checkConnectFlags(flags: number, level: number): void {
	if ((flags & ConnectFlag.Reserved) !== 0)
		throw malformed("CONNECT with the reserved flag set"); // [MQTT-3.1.2-3]
	const willQoS = flags & ConnectFlag.WillQoS;
	if (willQoS === ConnectFlag.WillQoS)
		throw malformed("CONNECT with will QoS 3"); // [MQTT-3.1.2-12]
	if ((flags & ConnectFlag.Will) === 0) {
		if (willQoS !== 0) throw malformed("CONNECT with a will QoS and no will"); // [MQTT-3.1.2-11] [v3.1.1 MQTT-3.1.2-11]
		if ((flags & ConnectFlag.WillRetain) !== 0)
			throw malformed("CONNECT with will retain and no will"); // [MQTT-3.1.2-13]
	}
	const hasPassword = (flags & ConnectFlag.Password) !== 0;
	if (level !== 5 && hasPassword && (flags & ConnectFlag.UserName) === 0)
		throw malformed("CONNECT with a password and no user name"); // [v3.1.1 MQTT-3.1.2-22]
}

/**
 * Decodes a CONNECT of any version.
 * @throws ProtocolError UnsupportedProtocolVersion for a protocol name or level we do
 *   not speak, otherwise the reason a version 5 client is told
 */
export function decodeConnect(
	buffer: Buffer,
	start: number,
	bodyStart: number,
	end: number,
): Connect {
	checkFlags(buffer, start, 0, "CONNECT");
	const fields = new Fields(buffer, bodyStart, end, "CONNECT");
	const sent = readLevel(fields);
	const level = (sent & ~BRIDGE_BIT) as 3 | 4 | 5;
	const flags = fields.byte();
	checkConnectFlags(flags, level);
	const keepAliveSeconds = fields.uint16();
	const properties = level === 5 ? connectProperties(fields) : NO_PROPERTIES;
	const clientId = readString(fields, "client identifier"); // [MQTT-3.1.3-1] [MQTT-3.1.3-3] [MQTT-3.1.3-4]
	const will =
		(flags & ConnectFlag.Will) === 0 ? null : readWill(fields, flags, level);
	// A 3.1 client may set the flags of both and send neither [v3.1 section 2.3] [v3.1 section 3.1].
	const mayLack = level === 3;
	const hasUsername =
		(flags & ConnectFlag.UserName) !== 0 && !(mayLack && fields.isAtEnd);
	const username = hasUsername ? readString(fields, "user name") : null; // [MQTT-3.1.2-17] [MQTT-3.1.3-12]
	const hasPassword =
		(flags & ConnectFlag.Password) !== 0 && !(mayLack && fields.isAtEnd);
	const password = hasPassword ? readBinary(fields) : null; // [MQTT-3.1.2-19]
	fields.finish(); // [MQTT-3.1.2-16] [MQTT-3.1.2-18]
	if (will !== null) checkWillTopic(will.topic);
	const cleanStart = (flags & ConnectFlag.CleanStart) !== 0;
	return {
		protocolVersion: level,
		bridge: sent !== level,
		cleanStart,
		keepAliveSeconds,
		clientId,
		username,
		password,
		will,
		sessionExpirySeconds:
			level !== 5 && !cleanStart
				? SESSION_NEVER_EXPIRES
				: uint32Of(buffer, properties, PropertyId.SessionExpiryInterval, 0),
		receiveMaximum: uint16Of(
			buffer,
			properties,
			PropertyId.ReceiveMaximum,
			65_535,
		),
		maximumPacketSize: uint32Of(
			buffer,
			properties,
			PropertyId.MaximumPacketSize,
			Number.POSITIVE_INFINITY,
		),
		topicAliasMaximum: uint16Of(
			buffer,
			properties,
			PropertyId.TopicAliasMaximum,
			0,
		),
		requestResponseInformation:
			byteOf(buffer, properties, PropertyId.RequestResponseInformation, 0) ===
			1,
		requestProblemInformation:
			byteOf(buffer, properties, PropertyId.RequestProblemInformation, 1) === 1,
		authenticationMethod:
			bytesOf(
				buffer,
				properties,
				PropertyId.AuthenticationMethod,
			)?.toString() ?? null,
		authenticationData: bytesOf(
			buffer,
			properties,
			PropertyId.AuthenticationData,
		),
		userProperties: userPropertiesOf(buffer, properties),
	};
}

function connectProperties(fields: Fields): PropertyBlock {
	const properties = fields.properties(Context.Connect);
	if (
		hasProperty(properties, PropertyId.AuthenticationData) &&
		!hasProperty(properties, PropertyId.AuthenticationMethod)
	)
		throw violation("Authentication Data without Authentication Method");
	return properties;
}

function readWill(fields: Fields, flags: number, level: number): WillMessage {
	const { buffer } = fields;
	const properties =
		level === 5 ? fields.properties(Context.Will) : NO_PROPERTIES; // [MQTT-3.1.2-9]
	const topic = readString(fields, "will topic"); // [MQTT-3.1.3-11]
	const payload = readBinary(fields);
	return {
		topic,
		qos: ((flags & ConnectFlag.WillQoS) >> 3) as QoS,
		retain: (flags & ConnectFlag.WillRetain) !== 0,
		payload,
		properties: copyPropertiesWithout(
			buffer,
			properties,
			PropertyId.WillDelayInterval,
			PropertyId.MessageExpiryInterval,
		), // [MQTT-3.1.3-10]
		expirySeconds: uint32Of(
			buffer,
			properties,
			PropertyId.MessageExpiryInterval,
			-1,
		),
		delaySeconds: uint32Of(buffer, properties, PropertyId.WillDelayInterval, 0),
	};
}

function checkWillTopic(topic: string): void {
	const problem = checkTopicName(topic);
	if (problem !== null)
		throw new ProtocolError(
			ReasonCode.TopicNameInvalid,
			`will topic ${problem}`,
		);
}

function readString(fields: Fields, what: string): string {
	const start = fields.string(what);
	return fields.buffer.toString("utf8", start, fields.at);
}

function readBinary(fields: Fields): Buffer {
	const start = fields.binary();
	return copyOf(fields.buffer, start, fields.at);
}

function copyOf(buffer: Buffer, start: number, end: number): Buffer {
	return Buffer.from(buffer.subarray(start, end));
}

function uint32Of(
	buffer: Buffer,
	properties: PropertyBlock,
	id: number,
	absent: number,
): number {
	const at = propertyAt(properties, id);
	return at < 0 ? absent : uint32At(buffer, at);
}

function uint16Of(
	buffer: Buffer,
	properties: PropertyBlock,
	id: number,
	absent: number,
): number {
	const at = propertyAt(properties, id);
	return at < 0 ? absent : uint16At(buffer, at);
}

function byteOf(
	buffer: Buffer,
	properties: PropertyBlock,
	id: number,
	absent: number,
): number {
	const at = propertyAt(properties, id);
	return at < 0 ? absent : byteAt(buffer, at);
}

/** The content of a string or of binary data; null when it is absent. */
function bytesOf(
	buffer: Buffer,
	properties: PropertyBlock,
	id: number,
): Buffer | null {
	const at = propertyAt(properties, id);
	if (at < 0) return null;
	return copyOf(buffer, at + 2, at + 2 + uint16At(buffer, at));
}
