import {
	byteAt,
	malformed,
	uint16At,
	varintAt,
	varintSize,
	violation,
} from "./bytes.ts";
import type { QoS } from "./constants.ts";
import { encodePublish } from "./encode-publish.ts";
import { type Layout, REFERENCE_BYTES } from "./layout.ts";
import type { ApplicationMessage, Family } from "./messages.ts";
import {
	ALIAS_SIZE,
	EXPIRY_SIZE,
	scanPublishProperties,
} from "./publish-properties.ts";
import { TopicMemory } from "./topic-memory.ts";

/**
 * PUBLISH, the packet that everything is about: decoded in a single pass, encoded in
 * one allocation. A `Publish` borrows its bytes from the socket read and is valid
 * until the handler that was given it returns; a `StoredMessage` copies what is to be kept.
 */

export {
	encodePublish,
	type PublishOptions,
	publishFirstByte,
} from "./encode-publish.ts";
export { TopicMemory };

/** A PUBLISH passing through. All indexes are absolute, into `frame`. */
export class Publish implements Layout {
	/** Holds the whole packet from `start` to `end`; borrowed. */
	readonly frame: Buffer;
	readonly start: number;
	readonly end: number;
	readonly family: Family;
	readonly qos: QoS;
	readonly retain: boolean;
	readonly dup: boolean;
	/** 0 for QoS 0. */
	readonly packetId: number;
	/** Where the topic's bytes begin and end in the frame, as they were sent. */
	readonly topicStart: number;
	readonly topicEnd: number;
	/** Raw MQTT 5 properties without their length; an empty range for 3.x. */
	readonly propertiesStart: number;
	readonly propertiesEnd: number;
	readonly payloadStart: number;
	/** 0 when there is none. */
	topicAlias = 0;
	/** Index of the alias property's identifier; -1 when absent. */
	aliasAt = -1;
	/** Message Expiry Interval in seconds; -1 when absent. */
	expirySeconds = -1;
	/** Index of the expiry property's identifier; -1 when absent. */
	expiryAt = -1;
	/** The topic is no longer the one in the frame: it came from an alias or a hook. */
	topicReplaced = false;
	#topic: string;

	/** Use {@link decodePublish} or {@link Publish.fromMessage}. */
	constructor(
		frame: Buffer,
		start: number,
		end: number,
		family: Family,
		packetId: number,
		topic: string,
		topicStart: number,
		topicEnd: number,
		propertiesStart: number,
		propertiesEnd: number,
	) {
		const first = byteAt(frame, start);
		this.frame = frame;
		this.start = start;
		this.end = end;
		this.family = family;
		this.qos = ((first >> 1) & 3) as QoS;
		this.retain = (first & 1) !== 0;
		this.dup = (first & 8) !== 0;
		this.packetId = packetId;
		this.topicStart = topicStart;
		this.topicEnd = topicEnd;
		this.propertiesStart = propertiesStart;
		this.propertiesEnd = propertiesEnd;
		this.payloadStart = propertiesEnd;
		this.#topic = topic;
	}

	/**
	 * A message of the broker's own (a will, a local client) in the form of an incoming
	 * packet. Owns its bytes, so it may be kept as long as it is used. With QoS > 0 its
	 * packet id is 1 and means nothing.
	 * @throws ProtocolError when topic or properties would not be accepted from a client
	 */
	static fromMessage(message: ApplicationMessage): Publish {
		const frame = encodePublish(message, {
			family: 5,
			qos: message.qos,
			retain: message.retain,
			dup: false,
			packetId: message.qos === 0 ? 0 : 1,
			identifiers: [],
			expirySeconds: message.expirySeconds,
			topicAlias: 0,
			omitTopic: false,
		});
		const length = varintAt(frame, 1, frame.length, "Remaining Length");
		return decodePublish(frame, 0, 1 + varintSize(length), frame.length, 5);
	}

	/** The topic name. Empty until the owner of the aliases has resolved one. */
	get topic(): string {
		return this.#topic;
	}

	set topic(topic: string) {
		this.#topic = topic;
		this.topicReplaced = true;
	}

	/**
	 * As a `Layout`: its own frame is right for a receiver of this version, with or
	 * without a packet id, as they are.
	 */
	passesThrough(family: Family, withPacketId: boolean): boolean {
		return (
			this.family === family &&
			this.qos > 0 === withPacketId &&
			this.aliasAt === -1 &&
			!this.topicReplaced &&
			this.end - this.start < REFERENCE_BYTES
		);
	}

	/** Absolute index of the packet id; -1 with QoS 0. */
	get packetIdOffset(): number {
		return this.qos === 0 ? -1 : this.topicEnd;
	}

	/** A view on the frame: borrowed. */
	get payload(): Buffer {
		return this.frame.subarray(this.payloadStart, this.end);
	}

	/** Bytes. */
	get payloadLength(): number {
		return this.end - this.payloadStart;
	}

	/** Bytes of the properties that go on with the message: without alias and expiry. */
	get forwardableLength(): number {
		let length = this.propertiesEnd - this.propertiesStart;
		if (this.aliasAt !== -1) length -= ALIAS_SIZE;
		if (this.expiryAt !== -1) length -= EXPIRY_SIZE;
		return length;
	}

	/** Copies the properties that go on with the message, in their order; returns the index behind. */
	writeForwardable(target: Buffer, at: number): number {
		let from = this.propertiesStart; // [MQTT-3.3.2-17] [MQTT-3.3.2-18]
		const expiryFirst = this.expiryAt < this.aliasAt;
		const one = expiryFirst ? this.expiryAt : this.aliasAt;
		const two = expiryFirst ? this.aliasAt : this.expiryAt;
		if (one !== -1) {
			at += this.frame.copy(target, at, from, one);
			from = one + (expiryFirst ? EXPIRY_SIZE : ALIAS_SIZE);
		}
		if (two !== -1) {
			at += this.frame.copy(target, at, from, two);
			from = two + (expiryFirst ? ALIAS_SIZE : EXPIRY_SIZE);
		}
		return at + this.frame.copy(target, at, from, this.propertiesEnd);
	}

	/** Copies the payload. */
	writePayload(target: Buffer, at: number): void {
		this.frame.copy(target, at, this.payloadStart, this.end);
	}
}

/**
 * Decodes a PUBLISH from a client, strictly.
 * @param memory the connection's own, to reuse the last topic; null for none
 * @throws ProtocolError with the reason a version 5 client is told
 */
export function decodePublish(
	buffer: Buffer,
	start: number,
	bodyStart: number,
	end: number,
	family: Family,
	memory: TopicMemory | null = null,
): Publish {
	const first = byteAt(buffer, start);
	const qos = (first >> 1) & 3;
	if (qos === 3) throw malformed("PUBLISH with both QoS bits set"); // [MQTT-3.3.1-4] [v3.1.1 MQTT-3.3.1-4]
	if (qos === 0 && (first & 8) !== 0)
		throw malformed("PUBLISH with DUP and QoS 0"); // [MQTT-3.3.1-2]

	const topicStart = bodyStart + 2;
	if (topicStart > end) throw malformed("PUBLISH is cut off");
	const topicEnd = topicStart + uint16At(buffer, bodyStart); // [MQTT-3.3.2-1]
	let at = topicEnd;
	let packetId = 0;
	if (qos > 0) at += 2;
	if (at > end) throw malformed("PUBLISH is cut off");
	if (qos > 0) {
		packetId = uint16At(buffer, topicEnd);
		if (packetId === 0) throw violation("PUBLISH with packet identifier 0"); // [MQTT-2.2.1-3]
	}
	const topic =
		memory === null
			? TopicMemory.decode(buffer, topicStart, topicEnd)
			: memory.decode(buffer, topicStart, topicEnd);

	let propertiesEnd = at;
	if (family === 5) {
		const length = varintAt(buffer, at, end, "Property Length");
		at += varintSize(length);
		propertiesEnd = at + length;
		if (propertiesEnd > end)
			throw malformed("Property Length reaches beyond the packet");
	}
	const publish = new Publish(
		buffer,
		start,
		end,
		family,
		packetId,
		topic,
		topicStart,
		topicEnd,
		at,
		propertiesEnd,
	);
	if (at !== propertiesEnd)
		scanPublishProperties(buffer, at, propertiesEnd, publish);
	if (topicEnd === topicStart && publish.topicAlias === 0)
		throw violation("PUBLISH without a topic"); // [MQTT-4.7.3-1]
	return publish;
}
