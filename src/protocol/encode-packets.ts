import mqttPacket, { type Packet } from "mqtt-packet";
import type { ConnackProperties, Family } from "./messages.ts";

/**
 * Encoders for the packets that are sent seldom, by the mqtt-packet library. Whether
 * the client wants a Reason String and has room for it is the caller's business.
 * None of our packets but PUBLISH carries User Properties, so none gets too large by
 * them. // [MQTT-3.2.2-20] [MQTT-3.5.2-3] [MQTT-3.6.2-3] [MQTT-3.7.2-3] [MQTT-3.11.2-2] [MQTT-3.14.2-4] [MQTT-3.15.2-3]
 */

// By default the library makes 65,536 Buffers at the first packet, one for each number: 11 MB.
mqttPacket.writeToStream.cacheNumbers = false;

function generate(packet: object, family: Family): Buffer {
	return mqttPacket.generate(packet as Packet, {
		protocolVersion: family === 5 ? 5 : 4,
	});
}

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
	if (family === 3)
		return generate({ cmd: "connack", sessionPresent, returnCode: code }, 3);
	return generate(
		{ cmd: "connack", sessionPresent, reasonCode: code, properties },
		5,
	); // [MQTT-3.2.2-1]
}

function withReason(
	reasonString: string | null,
): { reasonString: string } | Record<string, never> {
	return reasonString === null ? {} : { reasonString };
}

/** @param codes one for each filter of the SUBSCRIBE, in its order */
export function encodeSuback(
	packetId: number,
	codes: readonly number[],
	family: Family,
	reasonString: string | null = null,
): Buffer {
	return generate(
		{
			cmd: "suback",
			messageId: packetId, // [MQTT-2.2.1-6] [MQTT-3.8.4-2]
			granted: codes, // [MQTT-3.9.3-1]
			properties: withReason(reasonString),
		},
		family,
	);
}

/** @param codes one for each filter of the UNSUBSCRIBE, in its order; not sent to family 3 */
export function encodeUnsuback(
	packetId: number,
	codes: readonly number[],
	family: Family,
	reasonString: string | null = null,
): Buffer {
	return generate(
		{
			cmd: "unsuback",
			messageId: packetId, // [MQTT-2.2.1-6] [MQTT-3.10.4-5]
			granted: codes, // [MQTT-3.11.3-1]
			properties: withReason(reasonString),
		},
		family,
	);
}

/** A DISCONNECT from the server: version 5 only. */
export function encodeDisconnect(
	reasonCode: number,
	reasonString: string | null = null,
	extra: { readonly serverReference?: string } = {},
): Buffer {
	return generate(
		{
			cmd: "disconnect",
			reasonCode,
			properties: { ...withReason(reasonString), ...extra },
		},
		5,
	);
}

/** An AUTH from the server: version 5 only. */
export function encodeAuth(
	reasonCode: number,
	authenticationMethod: string,
	authenticationData: Buffer | null,
	reasonString: string | null = null,
): Buffer {
	const data = authenticationData === null ? {} : { authenticationData };
	return generate(
		{
			cmd: "auth",
			reasonCode,
			properties: {
				authenticationMethod,
				...data,
				...withReason(reasonString),
			},
		},
		5,
	);
}
