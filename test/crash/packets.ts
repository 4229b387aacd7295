/** Packets of the clients of a crash test, and what their payloads and properties have to be. */
import type { IPublishPacket, Packet } from "mqtt-packet";
import type { Qos } from "../soak/wire-client.ts";
import type { Numbered, Will } from "./events.ts";
import { expiryOf, payloadOf } from "./payload.ts";

/** Messages without an acknowledgement at a time, in either direction. */
export const WINDOW = 20;

export interface Message extends Numbered {
	qos: Qos;
	retain: boolean;
}

export function connectPacket(
	clientId: string,
	version: 4 | 5,
	clean: boolean,
	expirySeconds: number,
	will: Will | null,
): Packet {
	return {
		cmd: "connect",
		protocolId: "MQTT",
		protocolVersion: version,
		clean,
		clientId,
		keepalive: 120,
		...(version === 5 && {
			properties: {
				sessionExpiryInterval: expirySeconds,
				receiveMaximum: WINDOW,
			},
		}),
		...(will !== null && { will: willOf(clientId, version, will) }),
	};
}

function willOf(clientId: string, version: 4 | 5, will: Will) {
	const topic = `will/${clientId}`;
	return {
		topic,
		payload: Buffer.from(payloadOf(topic, will.number)),
		qos: 2 as const,
		retain: false,
		...(version === 5 && {
			properties: {
				willDelayInterval: will.delaySeconds,
				contentType: `${will.number}`,
			},
		}),
	};
}

export function publishPacket(
	messageId: number,
	{ topic, number, qos, retain }: Message,
	dup: boolean,
	version: 4 | 5,
): IPublishPacket {
	const payload = payloadOf(topic, number);
	const expiry = expiryOf(topic);
	return {
		cmd: "publish",
		messageId,
		topic,
		payload,
		qos,
		retain,
		dup,
		...(version === 5 && {
			properties: {
				contentType: `${number}`,
				...(expiry > 0 && { messageExpiryInterval: expiry }),
			},
		}),
	};
}

/**
 * What a publisher with MQTT 5 says of a message, its subscribers with MQTT 5 hear.
 * @returns what is wrong, in words; empty when nothing
 */
export function strangeProperties(
	{ topic, properties }: IPublishPacket,
	number: number,
): string {
	if (number === 0) return "";
	const isFive = topic.includes("/five");
	const said = properties?.contentType;
	if (said !== (isFive ? `${number}` : undefined))
		return `${topic} ${number} came with the content type ${said}`;
	const left = properties?.messageExpiryInterval ?? -1;
	const most = isFive ? expiryOf(topic) : -1;
	const isStrange = left > most || (most > 0 && left < 1);
	return isStrange ? `${topic} ${number} came with ${left} s to live` : "";
}
