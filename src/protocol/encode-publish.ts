import {
	checkRemainingLength,
	varintSize,
	writeUint16,
	writeUint32,
	writeVarint,
} from "./bytes.ts";
import { PacketType, PropertyId, type QoS } from "./constants.ts";
import type { ApplicationMessage, Family } from "./messages.ts";
import { ProtocolError } from "./protocol-error.ts";
import type { Publish } from "./publish.ts";
import { ALIAS_SIZE, EXPIRY_SIZE } from "./publish-properties.ts";
import { ReasonCode } from "./reason-codes.ts";

/**
 * Encodes a PUBLISH for one receiver, in one allocation. Pure functions.
 */

/** The length prefix of a string has two bytes. */
export const MAX_STRING_BYTES = 65_535;

/** How {@link encodePublish} is to send a message. */
export interface PublishOptions {
	readonly family: Family;
	readonly qos: QoS;
	readonly retain: boolean;
	readonly dup: boolean;
	/** Not written with QoS 0. */
	readonly packetId: number;
	/** Subscription Identifiers; empty for none. Ignored for family 3, as all properties. */
	readonly identifiers: readonly number[];
	/** What is left of the Message Expiry Interval, in seconds; -1 for none. */
	readonly expirySeconds: number;
	/** 0 for none. */
	readonly topicAlias: number;
	/** The receiver knows the topic by its alias. */
	readonly omitTopic: boolean;
}

/** The first byte of a PUBLISH [MQTT 5, 3.3.1]. */
export function publishFirstByte(
	qos: QoS,
	retain: boolean,
	dup: boolean,
): number {
	return (
		(PacketType.Publish << 4) | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0)
	);
}

function encodedPropertiesLength(own: number, o: PublishOptions): number {
	let length = own;
	if (o.expirySeconds >= 0) length += EXPIRY_SIZE;
	if (o.topicAlias > 0) length += ALIAS_SIZE;
	for (const identifier of o.identifiers) length += 1 + varintSize(identifier);
	return length;
}

function writeBrokerProperties(
	target: Buffer,
	at: number,
	o: PublishOptions,
): number {
	if (o.topicAlias > 0) {
		target[at++] = PropertyId.TopicAlias;
		at = writeUint16(target, at, o.topicAlias);
	}
	if (o.expirySeconds >= 0) {
		target[at++] = PropertyId.MessageExpiryInterval;
		at = writeUint32(target, at, o.expirySeconds); // [MQTT-3.3.2-6]
	}
	for (const identifier of o.identifiers) {
		target[at++] = PropertyId.SubscriptionIdentifier; // [MQTT-3.3.4-3] [MQTT-3.3.4-4]
		at = writeVarint(target, at, identifier);
	}
	return at;
}

/**
 * Encodes one PUBLISH for one receiver: the path for messages out of a queue and for
 * subscribers with identifiers or aliases. Many receivers share frames by `Fanout`.
 * @throws ProtocolError when the topic or the packet is longer than MQTT can express
 */
export function encodePublish(
	message: ApplicationMessage | Publish,
	o: PublishOptions,
): Buffer {
	const topic = o.omitTopic ? "" : message.topic;
	const topicLength = Buffer.byteLength(topic);
	if (topicLength > MAX_STRING_BYTES)
		throw new ProtocolError(ReasonCode.TopicNameInvalid, "topic is too long"); // [MQTT-4.7.3-3]
	const payloadLength =
		"frame" in message ? message.payloadLength : message.payload.length;
	const own =
		"frame" in message ? message.forwardableLength : message.properties.length;

	let remaining = 2 + topicLength + (o.qos > 0 ? 2 : 0) + payloadLength;
	let propertiesLength = 0;
	if (o.family === 5) {
		propertiesLength = encodedPropertiesLength(own, o);
		remaining += varintSize(propertiesLength) + propertiesLength;
	}
	checkRemainingLength(remaining);
	const frame = Buffer.allocUnsafe(1 + varintSize(remaining) + remaining);
	frame[0] = publishFirstByte(o.qos, o.retain, o.dup);
	let at = writeVarint(frame, 1, remaining);
	at = writeUint16(frame, at, topicLength);
	at += frame.write(topic, at, "utf8");
	if (o.qos > 0) at = writeUint16(frame, at, o.packetId); // [MQTT-2.2.1-2]
	if (o.family === 5) {
		at = writeVarint(frame, at, propertiesLength); // [MQTT-2.2.2-1]
		at = writeBrokerProperties(frame, at, o);
		if ("frame" in message) at = message.writeForwardable(frame, at);
		else at += message.properties.copy(frame, at);
	}
	if ("frame" in message)
		message.frame.copy(frame, at, message.payloadStart, message.end);
	else message.payload.copy(frame, at);
	return frame;
}
