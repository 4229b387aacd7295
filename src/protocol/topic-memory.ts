import { byteAt, malformed } from "./bytes.ts";
import { ProtocolError } from "./protocol-error.ts";
import { ReasonCode } from "./reason-codes.ts";
import { isValidUtf8 } from "./utf8.ts";

/** Longer topics are decoded anew every time: bytes held for each connection. */
const MAX_REMEMBERED = 256;
const NOTHING = Buffer.alloc(0);

/**
 * Decodes topic names and remembers the last one of a connection: a device mostly
 * publishes to one topic again and again, and comparing bytes is cheaper than
 * checking and making the same string again. One for each connection.
 */
export class TopicMemory {
	#bytes: Buffer = NOTHING;
	#length = -1;
	#topic = "";

	/** As {@link TopicMemory.decode}, with the last topic remembered. */
	decode(buffer: Buffer, start: number, end: number): string {
		const length = end - start;
		if (length === this.#length && this.#isSame(buffer, start))
			return this.#topic;
		const topic = TopicMemory.decode(buffer, start, end);
		if (length > MAX_REMEMBERED || length === 0) return topic;
		if (length > this.#bytes.length)
			this.#bytes = Buffer.allocUnsafeSlow(
				Math.min(MAX_REMEMBERED, length * 2),
			);
		buffer.copy(this.#bytes, 0, start, end);
		this.#length = length;
		this.#topic = topic;
		return topic;
	}

	#isSame(buffer: Buffer, start: number): boolean {
		const bytes = this.#bytes;
		const length = this.#length;
		for (let index = 0; index < length; index++)
			if (bytes[index] !== buffer[start + index]) return false;
		return true;
	}

	/**
	 * The topic name in these bytes; an empty one is left to the caller.
	 * @throws ProtocolError MalformedPacket when it is not valid UTF-8, TopicNameInvalid when it has a wildcard
	 */
	static decode(buffer: Buffer, start: number, end: number): string {
		let bits = 0;
		for (let at = start; at < end; at++) {
			const byte = byteAt(buffer, at);
			if (byte === 0x2b || byte === 0x23)
				throw new ProtocolError(
					ReasonCode.TopicNameInvalid,
					"topic name contains a wildcard", // [MQTT-3.3.2-2] [MQTT-4.7.0-1]
				);
			if (byte === 0) throw malformed("topic name contains U+0000"); // [MQTT-1.5.4-2] [MQTT-4.7.3-2]
			bits |= byte;
		}
		if (bits < 0x80) return buffer.toString("latin1", start, end);
		if (!isValidUtf8(buffer, start, end))
			throw malformed("topic name is not valid UTF-8"); // [MQTT-1.5.4-1]
		return buffer.toString("utf8", start, end);
	}
}
