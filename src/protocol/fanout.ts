import {
	checkRemainingLength,
	varintSize,
	writeUint16,
	writeUint32,
	writeVarint,
} from "./bytes.ts";
import { PropertyId } from "./constants.ts";
import { MAX_STRING_BYTES, publishFirstByte } from "./encode-publish.ts";
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

export { publishFirstByte };

/** From this size on a layout is handed to sockets by reference, so it has to own its bytes. */
export const REFERENCE_BYTES = 16_384;

/** A frame to be sent, apart from first byte and packet id, which the outbox sets. */
export interface Layout {
	readonly bytes: Buffer;
	readonly start: number;
	readonly end: number;
	/** Absolute index into `bytes` of the two bytes of the packet id; -1 without one. */
	readonly packetIdOffset: number;
	/** May be kept beyond this call; false: `bytes` is borrowed from the socket read. */
	readonly isOwned: boolean;
}

class FrameLayout implements Layout {
	readonly bytes: Buffer;
	readonly start: number;
	readonly end: number;
	readonly packetIdOffset: number;
	readonly isOwned: boolean;

	constructor(
		bytes: Buffer,
		start: number,
		end: number,
		packetIdOffset: number,
		isOwned: boolean,
	) {
		this.bytes = bytes;
		this.start = start;
		this.end = end;
		this.packetIdOffset = packetIdOffset;
		this.isOwned = isOwned;
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
		let layout = this.#get(family, withPacketId);
		if (layout !== null) return layout;
		layout = makeLayout(this.publish, family, withPacketId);
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

function makeLayout(
	publish: Publish,
	family: Family,
	withPacketId: boolean,
): Layout {
	const fits =
		publish.family === family &&
		publish.qos > 0 === withPacketId &&
		publish.aliasAt === -1 &&
		!publish.topicReplaced;
	if (!fits) return encodeLayout(publish, family, withPacketId);
	const { frame, start, end, topicEnd } = publish;
	const packetIdOffset = withPacketId ? topicEnd : -1;
	if (end - start < REFERENCE_BYTES)
		return new FrameLayout(frame, start, end, packetIdOffset, false);
	const copy = Buffer.allocUnsafeSlow(end - start);
	frame.copy(copy, 0, start, end);
	return new FrameLayout(
		copy,
		0,
		copy.length,
		withPacketId ? packetIdOffset - start : -1,
		true,
	);
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
	return new FrameLayout(bytes, 0, size, packetIdOffset, true);
}
