import mqttPacket, { type IConnackPacket, type Packet } from "mqtt-packet";
import { byteAt, malformed, varintAt, varintSize } from "./bytes.ts";
import type { QoS } from "./constants.ts";
import type { Family } from "./messages.ts";

/**
 * The packets of the other side: what a client sends that a broker only reads, and reads
 * that a broker only sends. For what speaks to a broker, not for the broker itself.
 */

export interface ConnectRequest {
	readonly family: Family;
	readonly clientId: string;
	readonly cleanStart: boolean;
	readonly keepAliveSeconds: number;
	/** Of MQTT 5 alone. */
	readonly sessionExpirySeconds: number;
	readonly username: string | null;
	readonly password: string | null;
}

/** What a broker answers to CONNECT. */
export interface Connack {
	readonly sessionPresent: boolean;
	/** 0 when it accepts: a return code of 3.1.1 or a reason code of 5. */
	readonly code: number;
	/** QoS > 0 messages that it takes before it has acknowledged one. */
	readonly receiveMaximum: number;
}

/** MQTT 3.1.1 or 5. */
export function encodeConnect(request: ConnectRequest): Buffer {
	const { family, username, password } = request;
	const protocolVersion = family === 5 ? 5 : 4;
	return mqttPacket.generate(
		{
			cmd: "connect",
			protocolId: "MQTT",
			protocolVersion,
			clientId: request.clientId,
			clean: request.cleanStart,
			keepalive: request.keepAliveSeconds,
			...(username === null ? {} : { username }),
			...(password === null ? {} : { password: Buffer.from(password) }),
			...(family === 5
				? {
						properties: { sessionExpiryInterval: request.sessionExpirySeconds },
					}
				: {}),
		} as Packet,
		{ protocolVersion },
	);
}

/** One QoS for all filters. */
export function encodeSubscribe(
	packetId: number,
	filters: readonly string[],
	qos: QoS,
	family: Family,
): Buffer {
	return mqttPacket.generate(
		{
			cmd: "subscribe",
			messageId: packetId,
			subscriptions: filters.map((topic) => ({ topic, qos })),
		} as Packet,
		{ protocolVersion: family === 5 ? 5 : 4 },
	);
}

/** @throws ProtocolError when it is no CONNACK */
export function decodeConnack(
	buffer: Buffer,
	start: number,
	bodyStart: number,
	end: number,
	family: Family,
): Connack {
	if (end - bodyStart < 2) throw malformed("CONNACK is cut off");
	let receiveMaximum = 65_535;
	if (family === 5 && end - bodyStart > 3) {
		const parser = mqttPacket.parser({ protocolVersion: 5 });
		parser.on("packet", (packet: Packet) => {
			const { properties } = packet as IConnackPacket;
			receiveMaximum = properties?.receiveMaximum ?? receiveMaximum;
		});
		parser.on("error", (error: Error) => {
			throw malformed(error.message);
		});
		parser.parse(Buffer.from(buffer.subarray(start, end)));
	}
	return {
		sessionPresent: (byteAt(buffer, bodyStart) & 1) !== 0,
		code: byteAt(buffer, bodyStart + 1),
		receiveMaximum,
	};
}

/** One code for each filter; 0x80 and above are refusals. @throws ProtocolError */
export function decodeSuback(
	buffer: Buffer,
	bodyStart: number,
	end: number,
	family: Family,
): number[] {
	let at = bodyStart + 2;
	if (family === 5) {
		const length = varintAt(buffer, at, end, "Property Length");
		at += varintSize(length) + length;
	}
	if (at > end) throw malformed("SUBACK is cut off");
	return [...buffer.subarray(at, end)];
}
