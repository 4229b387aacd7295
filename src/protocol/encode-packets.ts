import mqttPacket, { type Packet } from "mqtt-packet";

/**
 * Encoders for the packets that are sent seldom, all of version 5, by the mqtt-packet
 * library. Whether the client wants a Reason String and has room for it is the caller's
 * business.
 * None of our packets but PUBLISH carries User Properties, so none gets too large by
 * them. // [MQTT-3.2.2-20] [MQTT-3.5.2-3] [MQTT-3.6.2-3] [MQTT-3.7.2-3] [MQTT-3.11.2-2] [MQTT-3.14.2-4] [MQTT-3.15.2-3]
 */

// By default the library makes 65,536 Buffers at the first packet, one for each number: 11 MB.
mqttPacket.writeToStream.cacheNumbers = false;

function generate(packet: object): Buffer {
	return mqttPacket.generate(packet as Packet, { protocolVersion: 5 });
}

function withReason(
	reasonString: string | null,
): { reasonString: string } | Record<string, never> {
	return reasonString === null ? {} : { reasonString };
}

/** A DISCONNECT from the server: version 5 only. */
export function encodeDisconnect(
	reasonCode: number,
	reasonString: string | null = null,
	extra: { readonly serverReference?: string } = {},
): Buffer {
	return generate({
		cmd: "disconnect",
		reasonCode,
		properties: { ...withReason(reasonString), ...extra },
	});
}

/** An AUTH from the server: version 5 only. */
export function encodeAuth(
	reasonCode: number,
	authenticationMethod: string,
	authenticationData: Buffer | null,
	reasonString: string | null = null,
): Buffer {
	const data = authenticationData === null ? {} : { authenticationData };
	return generate({
		cmd: "auth",
		reasonCode,
		properties: {
			authenticationMethod,
			...data,
			...withReason(reasonString),
		},
	});
}
