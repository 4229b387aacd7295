/**
 * Writes a mosquitto.db of any version, for those that no program at hand writes any more
 * (2 to 5) and for damaged ones. Version 6 of the same calls is compared with the real
 * mosquitto's file in test/interop/.
 */
const MAGIC = Buffer.from([0x00, 0xb5, 0x00, ...Buffer.from("mosquitto db")]);

export interface BaseMessage {
	readonly id: number;
	readonly topic: string;
	readonly payload: string;
	readonly qos?: number;
	readonly retain?: boolean;
	readonly sourceId?: string;
	/** Unix time in seconds. */
	readonly expiresAtSeconds?: number;
	/** Raw MQTT 5 properties without their length. */
	readonly properties?: Buffer;
}

export interface Client {
	readonly clientId: string;
	readonly username?: string;
	readonly expirySeconds?: number;
	readonly expiresAtSeconds?: number;
	readonly disconnectedAtSeconds?: number;
}

export interface ClientMessage {
	readonly clientId: string;
	readonly id: number;
	readonly packetId?: number;
	readonly qos?: number;
	readonly retain?: boolean;
	/** 0: from the client, 1: to the client. */
	readonly direction?: 0 | 1;
	readonly state?: number;
	readonly identifier?: number;
}

export interface Subscription {
	readonly clientId: string;
	readonly filter: string;
	readonly qos?: number;
	readonly options?: number;
	readonly identifier?: number;
}

export interface WriterOptions {
	/** Bytes of a time: 4 on small old machines. */
	readonly timeBytes?: 4 | 8;
	/** The gap behind a client's numbers: none on 32-bit x86. */
	readonly hasGap?: boolean;
}

export class MosquittoDb {
	readonly #version: number;
	readonly #options: WriterOptions;
	readonly #parts: Buffer[] = [];

	constructor(version: number, options: WriterOptions = {}) {
		this.#version = version;
		this.#options = options;
		this.#parts.push(MAGIC, u32(0), u32(version));
		const isOld = version < 5;
		this.#chunk(
			1,
			isOld
				? [Buffer.of(1, 8), id(9)]
				: [id(9), Buffer.of(1, 8), Buffer.alloc(6)],
		);
	}

	message(message: BaseMessage): this {
		const { topic, payload, qos = 0, retain = false, sourceId = "" } = message;
		const flags = Buffer.of(qos, retain ? 1 : 0);
		if (this.#version < 5) {
			const named = this.#version === 4 ? [text("user"), u16(1883)] : [];
			return this.#chunk(2, [
				id(message.id),
				text(sourceId),
				...named,
				u16(7),
				u16(8),
				text(topic),
				flags,
				u32(Buffer.byteLength(payload)),
				Buffer.from(payload),
			]);
		}
		const { properties } = message;
		return this.#chunk(2, [
			id(message.id),
			id(message.expiresAtSeconds ?? 0),
			u32(Buffer.byteLength(payload)),
			u16(7),
			u16(sourceId.length),
			u16(4),
			u16(Buffer.byteLength(topic)),
			u16(1883),
			flags,
			Buffer.from(`${sourceId}user${topic}${payload}`),
			...(properties === undefined
				? []
				: [Buffer.of(properties.length), properties]),
		]);
	}

	client(client: Client): this {
		const { clientId, username = "", expirySeconds = 0xffffffff } = client;
		if (this.#version < 5) {
			const { timeBytes = 8 } = this.#options;
			const time = id(client.disconnectedAtSeconds ?? 0);
			return this.#chunk(6, [
				text(clientId),
				u16(3),
				...(this.#version === 2 ? [] : [time.subarray(0, timeBytes)]),
			]);
		}
		const numbers = [
			id(client.expiresAtSeconds ?? 0),
			u32(expirySeconds),
			u16(3),
			u16(clientId.length),
		];
		if (this.#version === 5)
			return this.#chunk(6, [...numbers, Buffer.from(clientId)]);
		const gap = this.#options.hasGap === false ? 0 : 4;
		return this.#chunk(6, [
			...numbers,
			u16(1883),
			u16(username.length),
			Buffer.alloc(gap),
			Buffer.from(clientId + username),
		]);
	}

	clientMessage(message: ClientMessage): this {
		const { clientId, packetId = 0, qos = 1, retain = false } = message;
		const { direction = 1, state = 11, identifier = 0 } = message;
		if (this.#version < 5)
			return this.#chunk(3, [
				text(clientId),
				id(message.id),
				u16(packetId),
				Buffer.of(qos, retain ? 1 : 0, direction, state, 0),
			]);
		return this.#chunk(3, [
			id(message.id),
			u16(packetId),
			u16(clientId.length),
			Buffer.of(qos, state, retain ? 0x10 : 0, direction),
			Buffer.from(clientId),
			...(identifier === 0 ? [] : [Buffer.of(2, 0x0b, identifier)]),
		]);
	}

	subscription(subscription: Subscription): this {
		const { clientId, filter, qos = 1, options = 0 } = subscription;
		if (this.#version < 5)
			return this.#chunk(5, [text(clientId), text(filter), Buffer.of(qos)]);
		return this.#chunk(5, [
			u32(subscription.identifier ?? 0),
			u16(clientId.length),
			u16(Buffer.byteLength(filter)),
			Buffer.of(qos, options, 0, 0),
			Buffer.from(clientId + filter),
		]);
	}

	retained(message: number): this {
		return this.#chunk(4, [id(message)]);
	}

	toBuffer(): Buffer {
		return Buffer.concat(this.#parts);
	}

	#chunk(type: number, parts: readonly Buffer[]): this {
		const body = Buffer.concat(parts);
		const head = this.#version < 5 ? u16(type) : u32(type);
		this.#parts.push(head, u32(body.length), body);
		return this;
	}
}

function u16(value: number): Buffer {
	const bytes = Buffer.alloc(2);
	bytes.writeUInt16BE(value);
	return bytes;
}

function u32(value: number): Buffer {
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32BE(value);
	return bytes;
}

/** Ids and times, as a small-endian machine has them. */
function id(value: number): Buffer {
	const bytes = Buffer.alloc(8);
	bytes.writeBigUInt64LE(BigInt(value));
	return bytes;
}

function text(value: string): Buffer {
	return Buffer.concat([u16(Buffer.byteLength(value)), Buffer.from(value)]);
}
