/**
 * What a mosquitto.db holds, chunk by chunk, and how its versions lay it out: 2 to 4 of
 * mosquitto 1.x up to 1.5 (fields one after another), 5 of 1.6 and 6 of 2.x (the C
 * structures, with their gaps). Pure functions over the bytes of one chunk.
 *
 * Numbers are big-endian, but for ids and times, which mosquitto writes as the machine
 * has them: ids are only compared, and of times the order that makes sense is taken.
 */

import { BrokenChunk, Fields } from "./record-fields.ts";

export const ChunkType = {
	Config: 1,
	Message: 2,
	Queued: 3,
	Retained: 4,
	Subscription: 5,
	Client: 6,
} as const;

/** Where a message is on its way between mosquitto and a client. */
export const MessageState = {
	WaitForPubrel: 7,
	ResendPubcomp: 8,
	WaitForPubcomp: 9,
	ResendPubrel: 6,
	Queued: 11,
} as const;

/**
 * Without the user name: mosquitto 2.0 writes that of another client, or what lies behind
 * it in memory, for clients that have none.
 */
export interface ClientChunk {
	readonly clientId: string;
	/** 0xffffffff: never; null in versions that do not know. */
	readonly expirySeconds: number | null;
	/** Unix time in seconds; 0 when it is not known. */
	readonly expiresAtSeconds: number;
	/** Unix time in seconds; 0 when it is not known. */
	readonly disconnectedAtSeconds: number;
}

/** A message that waits for a client, is on its way to it, or comes from it. */
export interface QueuedChunk {
	readonly clientId: string;
	readonly id: bigint;
	readonly packetId: number;
	readonly qos: number;
	readonly retain: boolean;
	/** From the client: a QoS 2 message that it has not released. */
	readonly isIncoming: boolean;
	readonly state: number;
	/** Of the subscription; 0 for none. */
	readonly identifier: number;
}

export interface SubscriptionChunk {
	readonly clientId: string;
	readonly filter: string;
	readonly qos: number;
	readonly noLocal: boolean;
	readonly retainAsPublished: boolean;
	readonly identifier: number;
}

/** A message without its payload and properties. Places count from the chunk's first byte. */
export interface MessageHead {
	readonly id: bigint;
	readonly sourceId: string;
	readonly topic: string;
	readonly qos: number;
	readonly retain: boolean;
	/** Unix time in seconds; 0 for never. */
	readonly expiresAtSeconds: number;
	readonly payloadAt: number;
	readonly payloadLength: number;
	/** What follows the payload: MQTT 5 properties with their length before them. */
	readonly propertiesLength: number;
}

/** Up to here {@link readMessageHead} may look: three texts and the fixed part. */
export const MOST_HEAD_BYTES = 3 * 65_537 + 32;

const MESSAGE_BYTES_V5 = 32;
const QUEUED_BYTES_V5 = 16;
const SUBSCRIPTION_BYTES_V5 = 10;
/** With the gap that 8-byte numbers make at the end on most machines, and without. */
const CLIENT_BYTES_V6 = [24, 20];
const CLIENT_BYTES_V5 = 16;
const SUBSCRIPTION_IDENTIFIER = 0x0b;
const NEVER = 0xffffffff;

/** Whether chunks are the structures of 1.6 and later. */
export function hasStructures(version: number): boolean {
	return version >= 5;
}

export function headerBytes(version: number): number {
	return hasStructures(version) ? 8 : 6;
}

/** @throws BrokenChunk */
export function readClient(chunk: Buffer, version: number): ClientChunk {
	const fields = new Fields(chunk);
	if (!hasStructures(version)) {
		const clientId = fields.text();
		fields.skip(2); // the last packet id
		const left = chunk.length - fields.at;
		return {
			clientId: named(clientId),
			expirySeconds: null,
			expiresAtSeconds: 0,
			disconnectedAtSeconds: left >= 4 ? fields.time(left >= 8 ? 8 : 4) : 0,
		};
	}
	const expiresAtSeconds = fields.time(8);
	const expirySeconds = fields.u32();
	fields.skip(2);
	const idLength = fields.u16();
	let usernameLength = 0;
	if (version === 5) fields.at = CLIENT_BYTES_V5;
	else {
		fields.skip(2); // the listener's port
		usernameLength = fields.u16();
		const fixed = chunk.length - idLength - usernameLength;
		if (!CLIENT_BYTES_V6.includes(fixed)) throw new BrokenChunk("lengths");
		fields.at = fixed;
	}
	const isKnown = expiresAtSeconds > 0 && expirySeconds !== NEVER;
	return {
		clientId: named(fields.textOf(idLength)),
		expirySeconds,
		expiresAtSeconds,
		disconnectedAtSeconds: isKnown ? expiresAtSeconds - expirySeconds : 0,
	};
}

/** @throws BrokenChunk */
export function readQueued(chunk: Buffer, version: number): QueuedChunk {
	const fields = new Fields(chunk);
	if (!hasStructures(version)) {
		const clientId = named(fields.text());
		const id = fields.id();
		const packetId = fields.u16();
		const [qos, retain, direction, state] = [
			fields.u8(),
			fields.u8(),
			fields.u8(),
			fields.u8(),
		];
		return {
			clientId,
			id,
			packetId,
			qos: checkedQos(qos),
			retain: retain !== 0,
			isIncoming: direction === 0,
			state,
			identifier: 0,
		};
	}
	const id = fields.id();
	const packetId = fields.u16();
	const idLength = fields.u16();
	const qos = checkedQos(fields.u8());
	const state = fields.u8();
	const retain = fields.u8() >> 4 !== 0; // the lower half is DUP
	const isIncoming = fields.u8() === 0;
	fields.at = QUEUED_BYTES_V5;
	const clientId = named(fields.textOf(idLength));
	const identifier = identifierIn(chunk.subarray(fields.at));
	return {
		clientId,
		id,
		packetId,
		qos,
		retain,
		isIncoming,
		state,
		identifier,
	};
}

/** @throws BrokenChunk */
export function readSubscription(
	chunk: Buffer,
	version: number,
): SubscriptionChunk {
	const fields = new Fields(chunk);
	if (!hasStructures(version))
		return {
			clientId: named(fields.text()),
			filter: fields.text(),
			qos: checkedQos(fields.u8()),
			noLocal: false,
			retainAsPublished: false,
			identifier: 0,
		};
	const identifier = fields.u32();
	const idLength = fields.u16();
	const filterLength = fields.u16();
	const qos = checkedQos(fields.u8());
	const options = fields.u8();
	// The structure is 12 bytes long, for its largest number has 4.
	const fixed = chunk.length - idLength - filterLength;
	if (fixed < SUBSCRIPTION_BYTES_V5 || fixed > SUBSCRIPTION_BYTES_V5 + 2)
		throw new BrokenChunk("lengths");
	fields.at = fixed;
	return {
		clientId: named(fields.textOf(idLength)),
		filter: fields.textOf(filterLength),
		qos,
		noLocal: (options & 4) !== 0,
		retainAsPublished: (options & 8) !== 0,
		identifier,
	};
}

/** @throws BrokenChunk */
export function readRetained(chunk: Buffer): bigint {
	return new Fields(chunk).id();
}

/**
 * @param chunk its first bytes, see {@link MOST_HEAD_BYTES}
 * @param length of the whole chunk
 * @throws BrokenChunk
 */
export function readMessageHead(
	chunk: Buffer,
	length: number,
	version: number,
): MessageHead {
	const fields = new Fields(chunk);
	const head = hasStructures(version)
		? structuredHead(fields)
		: plainHead(fields, version);
	const propertiesLength = hasStructures(version)
		? length - head.payloadAt - head.payloadLength
		: 0;
	if (propertiesLength < 0 || head.topic === "")
		throw new BrokenChunk("lengths");
	return { ...head, propertiesLength };
}

type Head = Omit<MessageHead, "propertiesLength">;

function structuredHead(fields: Fields): Head {
	const id = fields.id();
	const expiresAtSeconds = fields.time(8);
	const payloadLength = fields.u32();
	fields.skip(2); // the publisher's packet id
	const sourceLength = fields.u16();
	const usernameLength = fields.u16();
	const topicLength = fields.u16();
	fields.skip(2); // the listener's port
	const qos = checkedQos(fields.u8());
	const retain = fields.u8() !== 0;
	fields.at = MESSAGE_BYTES_V5;
	const sourceId = fields.textOf(sourceLength);
	fields.skip(usernameLength);
	const topic = fields.textOf(topicLength);
	const payloadAt = fields.at;
	return {
		id,
		sourceId,
		topic,
		qos,
		retain,
		expiresAtSeconds,
		payloadAt,
		payloadLength,
	};
}

function plainHead(fields: Fields, version: number): Head {
	const id = fields.id();
	const sourceId = fields.text();
	if (version === 4) {
		fields.text(); // the publisher's user name
		fields.skip(2); // the listener's port
	}
	fields.skip(4); // two packet ids
	const topic = fields.text();
	const qos = checkedQos(fields.u8());
	const retain = fields.u8() !== 0;
	const payloadLength = fields.u32();
	const payloadAt = fields.at;
	return {
		id,
		sourceId,
		topic,
		qos,
		retain,
		expiresAtSeconds: 0,
		payloadAt,
		payloadLength,
	};
}

function checkedQos(qos: number): number {
	if (qos > 2) throw new BrokenChunk("QoS");
	return qos;
}

function named(clientId: string): string {
	if (clientId === "") throw new BrokenChunk("no client id");
	return clientId;
}

/** Of properties with their length before them: there is at most this one. */
function identifierIn(properties: Buffer): number {
	if (properties.length < 3 || properties[1] !== SUBSCRIPTION_IDENTIFIER)
		return 0;
	let value = 0;
	for (let at = 2; at < Math.min(properties.length, 6); at++) {
		const byte = properties[at] as number;
		value += (byte & 0x7f) * 128 ** (at - 2);
		if (byte < 0x80) return value;
	}
	throw new BrokenChunk("identifier");
}
