import { byteAt, malformed, uint16At, violation } from "./bytes.ts";
import { PropertyId } from "./constants.ts";
import { checkFlags, Fields } from "./fields.ts";
import { Context, hasProperty, type PropertyBlock } from "./properties.ts";
import { ProtocolError } from "./protocol-error.ts";
import { ReasonCode } from "./reason-codes.ts";

/** As `strict.ts`, for CONNECT: the one packet whose version is not known beforehand. */

const ConnectFlag = {
	Reserved: 0x01,
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

/** What {@link checkConnect} found besides errors. */
export interface ConnectShape {
	readonly level: 3 | 4 | 5;
	readonly bridge: boolean;
	/** Index of the byte with the connect flags. */
	readonly flagsAt: number;
	/** The flags for which there is a field: a 3.1 client may set two and send none. */
	readonly flags: number;
	readonly properties: PropertyBlock | null;
	readonly willProperties: PropertyBlock | null;
}

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
 * Checks a CONNECT of any version.
 * @throws ProtocolError UnsupportedProtocolVersion for a name or level we do not speak
 */
export function checkConnect(
	buffer: Buffer,
	start: number,
	bodyStart: number,
	end: number,
): ConnectShape {
	checkFlags(buffer, start, 0, "CONNECT");
	const fields = new Fields(buffer, bodyStart, end, "CONNECT");
	const sent = readLevel(fields);
	const level = (sent & ~BRIDGE_BIT) as 3 | 4 | 5;
	const flagsAt = fields.skip(1);
	let flags = byteAt(buffer, flagsAt);
	checkConnectFlags(flags, level);
	fields.uint16(); // keep alive
	const properties = level === 5 ? fields.properties(Context.Connect) : null;
	if (
		properties !== null &&
		hasProperty(properties, PropertyId.AuthenticationData) &&
		!hasProperty(properties, PropertyId.AuthenticationMethod)
	)
		throw violation("Authentication Data without Authentication Method");

	fields.string("client identifier"); // [MQTT-3.1.3-1] [MQTT-3.1.3-3] [MQTT-3.1.3-4]
	let willProperties: PropertyBlock | null = null;
	if ((flags & ConnectFlag.Will) !== 0) {
		if (level === 5) willProperties = fields.properties(Context.Will); // [MQTT-3.1.2-9]
		fields.string("will topic"); // [MQTT-3.1.3-11]
		fields.binary();
	}
	if ((flags & ConnectFlag.UserName) !== 0) {
		if (level === 3 && fields.isAtEnd)
			flags &= ~(ConnectFlag.UserName | ConnectFlag.Password); // [v3.1 section 2.3] [v3.1 section 3.1]
		else fields.string("user name"); // [MQTT-3.1.2-17] [MQTT-3.1.3-12]
	}
	if ((flags & ConnectFlag.Password) !== 0) {
		if (level === 3 && fields.isAtEnd)
			flags &= ~ConnectFlag.Password; // [v3.1 section 3.1]
		else fields.binary(); // [MQTT-3.1.2-19]
	}
	fields.finish(); // [MQTT-3.1.2-16] [MQTT-3.1.2-18]
	const bridge = sent !== level;
	return { level, bridge, flagsAt, flags, properties, willProperties };
}
