import {
	byteAt,
	malformed,
	uint16At,
	uint32At,
	varintAt,
	violation,
} from "./bytes.ts";
import { PropertyId } from "./constants.ts";
import { ProtocolError } from "./protocol-error.ts";
import { ReasonCode } from "./reason-codes.ts";
import { isValidUtf8 } from "./utf8.ts";

/**
 * The properties of a PUBLISH that a client sent, in one pass and without an
 * allocation: they are checked and stay where they are, as raw bytes in their order.
 * Only the two that the broker acts on are noted. Runs inside one decode.
 */

/** Where the result of {@link scanPublishProperties} goes. */
export interface PublishPropertyNotes {
	/** Index of the property's identifier in the frame; -1 when absent. */
	aliasAt: number;
	topicAlias: number;
	/** Index of the property's identifier in the frame; -1 when absent. */
	expiryAt: number;
	expirySeconds: number;
}

/** Sizes of the two properties that are taken out before a message goes on, in bytes. */
export const ALIAS_SIZE = 3;
export const EXPIRY_SIZE = 5;

// One bit for each property that may occur once.
const SEEN_FORMAT = 1;
const SEEN_EXPIRY = 2;
const SEEN_CONTENT_TYPE = 4;
const SEEN_RESPONSE_TOPIC = 8;
const SEEN_CORRELATION = 16;
const SEEN_ALIAS = 32;

/**
 * Checks the properties from `at` to `end` and notes alias and expiry.
 * @throws ProtocolError what the standard says for the first fault found
 */
export function scanPublishProperties(
	buffer: Buffer,
	at: number,
	end: number,
	notes: PublishPropertyNotes,
): void {
	let seen = 0;
	while (at < end) {
		const id = byteAt(buffer, at);
		let bit = 0;
		let next = 0;
		switch (id) {
			case PropertyId.UserProperty:
				next = endOfString(buffer, endOfString(buffer, at + 1, end), end);
				break;
			case PropertyId.PayloadFormatIndicator:
				bit = SEEN_FORMAT;
				next = fixedEnd(at + 2, end);
				if (byteAt(buffer, at + 1) > 1)
					throw violation("Payload Format Indicator is neither 0 nor 1");
				break;
			case PropertyId.MessageExpiryInterval:
				bit = SEEN_EXPIRY;
				next = fixedEnd(at + EXPIRY_SIZE, end);
				notes.expiryAt = at;
				notes.expirySeconds = uint32At(buffer, at + 1);
				break;
			case PropertyId.ContentType:
				bit = SEEN_CONTENT_TYPE;
				next = endOfString(buffer, at + 1, end); // [MQTT-3.3.2-19]
				break;
			case PropertyId.ResponseTopic:
				bit = SEEN_RESPONSE_TOPIC;
				next = endOfString(buffer, at + 1, end); // [MQTT-3.3.2-13]
				checkResponseTopic(buffer, at + 3, next);
				break;
			case PropertyId.CorrelationData:
				bit = SEEN_CORRELATION;
				next = endOfBinary(buffer, at + 1, end);
				break;
			case PropertyId.TopicAlias:
				bit = SEEN_ALIAS;
				next = fixedEnd(at + ALIAS_SIZE, end);
				notes.aliasAt = at;
				notes.topicAlias = uint16At(buffer, at + 1);
				if (notes.topicAlias === 0)
					throw new ProtocolError(
						ReasonCode.TopicAliasInvalid,
						"Topic Alias is 0", // [MQTT-3.3.2-8]
					);
				break;
			case PropertyId.SubscriptionIdentifier:
				throw violation("Subscription Identifier in a PUBLISH to the server"); // [MQTT-3.3.4-6]
			default:
				throw unknownProperty(buffer, at, end);
		}
		if ((seen & bit) !== 0)
			throw violation(`property 0x${id.toString(16)} twice`);
		seen |= bit;
		at = next;
	}
}

function fixedEnd(next: number, end: number): number {
	if (next > end) throw malformed("a property is cut off");
	return next;
}

/** Index behind a Binary Data value that begins at `at`. */
function endOfBinary(buffer: Buffer, at: number, end: number): number {
	const start = at + 2;
	if (start > end) throw malformed("a property is cut off");
	const next = start + uint16At(buffer, at);
	if (next > end) throw malformed("a property is cut off");
	return next;
}

/** Index behind a UTF-8 Encoded String that begins at `at`. */
function endOfString(buffer: Buffer, at: number, end: number): number {
	const next = endOfBinary(buffer, at, end);
	if (!isValidUtf8(buffer, at + 2, next))
		throw malformed("a property is not valid UTF-8"); // [MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT-1.5.7-1]
	return next;
}

function checkResponseTopic(buffer: Buffer, start: number, end: number): void {
	if (start === end) throw violation("Response Topic is empty"); // [MQTT-4.7.3-1]
	for (let at = start; at < end; at++) {
		const byte = byteAt(buffer, at);
		if (byte === 0x2b || byte === 0x23)
			throw violation("Response Topic contains a wildcard"); // [MQTT-3.3.2-14]
	}
}

function unknownProperty(buffer: Buffer, at: number, end: number): Error {
	const id = varintAt(buffer, at, end, "a property identifier");
	return malformed(
		`property 0x${id.toString(16)} does not belong in a PUBLISH`,
	);
}
