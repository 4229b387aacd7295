import {
	checkRemainingLength,
	varintSize,
	writeUint16,
	writeUint32,
	writeVarint,
} from "./bytes.ts";
import { PropertyId } from "./constants.ts";
import { MAX_STRING_BYTES, publishFirstByte } from "./encode-publish.ts";
import { type Layout, REFERENCE_BYTES } from "./layout.ts";
import type { Family } from "./messages.ts";
import { ProtocolError } from "./protocol-error.ts";
import type { Publish } from "./publish.ts";
import { EXPIRY_SIZE } from "./publish-properties.ts";
import { ReasonCode } from "./reason-codes.ts";

/**
 * One `Publish` on its way to many subscribers: each wire layout is encoded at most
 * once, and often not at all, because the frame that came in is already right.
 * Lives as long as its `Publish`: within one socket read.
 */

class FrameLayout implements Layout {
	readonly frame: Buffer;
	readonly start = 0;
	readonly end: number;
	readonly packetIdOffset: number;

	constructor(frame: Buffer, packetIdOffset: number) {
		this.frame = frame;
		this.end = frame.length;
		this.packetIdOffset = packetIdOffset;
	}
}

export class Fanout {
	readonly publish: Publish;
	#three: Layout | null = null;
	#threeWithId: Layout | null = null;
	#five: Layout | null = null;
	#fiveWithId: Layout | null = null;

	constructor(publish: Publish) {
		this.publish = publish;
	}

	/**
	 * The frame for one kind of receiver. Its first byte may be that of another QoS, and
	 * its packet id any: both are to be set while copying.
	 * @throws ProtocolError PacketTooLarge when it would be longer than MQTT can express
	 */
	layout(family: Family, withPacketId: boolean): Layout {
		const { publish } = this;
		if (publish.passesThrough(family, withPacketId)) return publish;
		let layout = this.#get(family, withPacketId);
		if (layout !== null) return layout;
		layout = encodeLayout(publish, family, withPacketId);
		if (family === 5) {
			if (withPacketId) this.#fiveWithId = layout;
			else this.#five = layout;
		} else if (withPacketId) this.#threeWithId = layout;
		else this.#three = layout;
		return layout;
	}

	#get(family: Family, withPacketId: boolean): Layout | null {
		if (family === 5) return withPacketId ? this.#fiveWithId : this.#five;
		return withPacketId ? this.#threeWithId : this.#three;
	}
}

function encodeLayout(
	publish: Publish,
	family: Family,
	withPacketId: boolean,
): Layout {
	const topicInFrame = !publish.topicReplaced;
	const topicLength = topicInFrame
		? publish.topicEnd - publish.topicStart
		: Buffer.byteLength(publish.topic);
	if (topicLength > MAX_STRING_BYTES)
		throw new ProtocolError(ReasonCode.TopicNameInvalid, "topic is too long"); // [MQTT-4.7.3-3]
	let remaining = 2 + topicLength + publish.payloadLength;
	if (withPacketId) remaining += 2;
	let propertiesLength = 0;
	if (family === 5) {
		propertiesLength = publish.forwardableLength;
		if (publish.expirySeconds >= 0) propertiesLength += EXPIRY_SIZE;
		remaining += varintSize(propertiesLength) + propertiesLength;
	}
	checkRemainingLength(remaining);
	const size = 1 + varintSize(remaining) + remaining;
	const bytes =
		size < REFERENCE_BYTES
			? Buffer.allocUnsafe(size)
			: Buffer.allocUnsafeSlow(size);
	bytes[0] = publishFirstByte(withPacketId ? 1 : 0, false, false);
	let at = writeVarint(bytes, 1, remaining);
	at = writeUint16(bytes, at, topicLength);
	if (topicInFrame)
		at += publish.frame.copy(bytes, at, publish.topicStart, publish.topicEnd);
	else at += bytes.write(publish.topic, at, "utf8");
	const packetIdOffset = withPacketId ? at : -1;
	if (withPacketId) at = writeUint16(bytes, at, 0);
	if (family === 5) {
		at = writeVarint(bytes, at, propertiesLength); // [MQTT-2.2.2-1]
		if (publish.expirySeconds >= 0) {
			bytes[at++] = PropertyId.MessageExpiryInterval;
			at = writeUint32(bytes, at, publish.expirySeconds);
		}
		at = publish.writeForwardable(bytes, at);
	}
	publish.frame.copy(bytes, at, publish.payloadStart, publish.end);
	return new FrameLayout(bytes, packetIdOffset);
}
