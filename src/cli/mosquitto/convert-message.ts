/** From a message of mosquitto to one of ours. Pure. */
import { varintAt, varintSize } from "../../protocol/bytes.ts";
import type { QoS } from "../../protocol/constants.ts";
import type { ApplicationMessage } from "../../protocol/messages.ts";
import {
	ALIAS_SIZE,
	EXPIRY_SIZE,
	type PublishPropertyNotes,
	scanPublishProperties,
} from "../../protocol/publish-properties.ts";
import { checkTopicName } from "../../protocol/topic.ts";
import type { MessageHead } from "./database-records.ts";

const NO_BYTES = Buffer.alloc(0);

export interface ConvertedMessage {
	readonly message: ApplicationMessage;
	/** Wall time, ms; 0 when never. */
	readonly expiresAtMs: number;
	/** Its properties make no sense and are left out. */
	readonly hasBadProperties: boolean;
}

/**
 * @param body payload and properties, owned by the caller, who gives them away
 * @returns null when no client can have published it
 */
export function convertMessage(
	head: MessageHead,
	body: Buffer,
	nowMs: number,
): ConvertedMessage | null {
	if (checkTopicName(head.topic) !== null || head.topic.includes("\ufffd"))
		return null;
	const properties = propertiesOf(body.subarray(head.payloadLength));
	const expiresAtMs = head.expiresAtSeconds * 1000;
	return {
		message: {
			topic: head.topic,
			qos: head.qos as QoS,
			retain: head.retain,
			payload: body.subarray(0, head.payloadLength),
			properties: properties ?? NO_BYTES,
			// What it was published with is not known any more.
			expirySeconds:
				expiresAtMs === 0
					? -1
					: Math.max(1, Math.ceil((expiresAtMs - nowMs) / 1000)),
		},
		expiresAtMs,
		hasBadProperties: properties === null,
	};
}

/**
 * @param bytes with their length before them, or nothing
 * @returns without what the broker itself owns; null when they are broken
 */
function propertiesOf(bytes: Buffer): Buffer | null {
	if (bytes.length === 0) return NO_BYTES;
	const notes: PublishPropertyNotes = {
		aliasAt: -1,
		topicAlias: 0,
		expiryAt: -1,
		expirySeconds: -1,
	};
	try {
		const length = varintAt(bytes, 0, bytes.length, "length");
		const properties = bytes.subarray(varintSize(length));
		if (properties.length !== length) return null;
		scanPublishProperties(properties, 0, properties.length, notes);
		const holes: [number, number][] = [
			[notes.aliasAt, ALIAS_SIZE],
			[notes.expiryAt, EXPIRY_SIZE],
		];
		return without(properties, holes);
	} catch {
		return null;
	}
}

/** @param holes where they begin, -1 for none, and their bytes */
function without(bytes: Buffer, holes: [number, number][]): Buffer {
	let rest = bytes;
	// The last one first: the others stay where they are.
	for (const [at, size] of holes.sort((a, b) => b[0] - a[0]))
		if (at >= 0)
			rest = Buffer.concat([rest.subarray(0, at), rest.subarray(at + size)]);
	return rest;
}
