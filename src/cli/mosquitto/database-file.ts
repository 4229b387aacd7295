/**
 * Goes through a mosquitto.db from its beginning to its end. Of a file that is cut off or
 * damaged it gives what can be told apart, and says how much could not. At most one chunk
 * without its payload is in memory.
 */
import {
	ChunkType,
	type ClientChunk,
	hasStructures,
	headerBytes,
	type MessageHead,
	MOST_HEAD_BYTES,
	type QueuedChunk,
	readClient,
	readMessageHead,
	readQueued,
	readRetained,
	readSubscription,
	type SubscriptionChunk,
} from "./database-records.ts";
import type { FileWindow } from "./file-window.ts";
import { BrokenChunk } from "./record-fields.ts";

const MAGIC = Buffer.from([0x00, 0xb5, 0x00, ...Buffer.from("mosquitto db")]);
const VERSION_AT = MAGIC.length + 4; // a checksum that is always 0 comes before
const FIRST_CHUNK_AT = VERSION_AT + 4;
const OLDEST_VERSION = 2;
const NEWEST_VERSION = 6;

/** More than the largest that is not a message: two texts and numbers. */
const MOST_SMALL_BYTES = 2 * 65_537 + 64;
/** MQTT has no larger payload; topic, properties and names come on top. */
const MOST_PAYLOAD_BYTES = 268_435_455;
const MOST_MESSAGE_BYTES = 2 * MOST_PAYLOAD_BYTES + MOST_HEAD_BYTES;
const SEARCH_BYTES = 64 * 1024;

export type Chunk =
	| { readonly type: "client"; readonly client: ClientChunk }
	| { readonly type: "queued"; readonly queued: QueuedChunk }
	| {
			readonly type: "subscription";
			readonly subscription: SubscriptionChunk;
	  }
	| { readonly type: "retained"; readonly id: bigint }
	| {
			readonly type: "message";
			readonly head: MessageHead;
			/** Of the chunk's contents in the file. */
			readonly at: number;
	  };

/** Bytes that could not be read as anything. */
export interface Damage {
	readonly at: number;
	readonly bytes: number;
}

/** The file is no mosquitto.db that can be read; the message says why. */
export class NoDatabase extends Error {
	override readonly name = "NoDatabase";
}

interface Found {
	readonly chunk: Chunk | null;
	readonly next: number;
}

export class DatabaseFile {
	readonly version: number;
	readonly #window: FileWindow;
	#damages: Damage[] = [];

	/** @throws NoDatabase */
	constructor(window: FileWindow) {
		this.#window = window;
		const head = window.bytes(0, FIRST_CHUNK_AT);
		if (head.length === 0) throw new NoDatabase("is empty");
		if (!head.subarray(0, MAGIC.length).equals(MAGIC))
			throw new NoDatabase("is not a database of mosquitto");
		if (head.length < FIRST_CHUNK_AT)
			throw new NoDatabase("ends within its header");
		this.version = head.readUInt32BE(VERSION_AT);
		if (this.version < OLDEST_VERSION || this.version > NEWEST_VERSION)
			throw new NoDatabase(
				`has format ${this.version}; formats ${OLDEST_VERSION} to ${NEWEST_VERSION} can be read`,
			);
	}

	/** Of the last walk. */
	get damages(): readonly Damage[] {
		return this.#damages;
	}

	*chunks(): Generator<Chunk> {
		this.#damages = [];
		let at = FIRST_CHUNK_AT;
		while (at < this.#window.size) {
			const found = this.#tryRead(at);
			if (found === null) {
				const next = this.#findNext(at + 1);
				this.#damages.push({ at, bytes: next - at });
				at = next;
				continue;
			}
			at = found.next;
			if (found.chunk !== null) yield found.chunk;
		}
	}

	/** @param at of the contents of a message's chunk; `null` when they make no message any more */
	message(at: number): { head: MessageHead; body: Buffer } | null {
		const size = headerBytes(this.version);
		const length = this.#lengthAt(at - size);
		const head = this.#head(at, length);
		const bodyBytes = head.payloadLength + head.propertiesLength;
		const body = this.#window.own(at + head.payloadAt, bodyBytes);
		return body.length === bodyBytes ? { head, body } : null;
	}

	/** @returns null when no chunk begins here */
	#tryRead(at: number): Found | null {
		try {
			return this.#read(at);
		} catch (error) {
			if (!(error instanceof BrokenChunk)) throw error;
			return null;
		}
	}

	#read(at: number): Found {
		const size = headerBytes(this.version);
		const type = this.#typeAt(at);
		const length = this.#lengthAt(at);
		const start = at + size;
		if (type === ChunkType.Message) {
			if (length > MOST_MESSAGE_BYTES) throw new BrokenChunk("is too long");
			const head = this.#head(start, length);
			// Old versions count their chunks wrongly at times: their fields tell the end.
			const next = hasStructures(this.version)
				? start + length
				: start + head.payloadAt + head.payloadLength;
			if (next > this.#window.size) throw new BrokenChunk("is cut off");
			return { chunk: { type: "message", head, at: start }, next };
		}
		if (length > MOST_SMALL_BYTES) throw new BrokenChunk("is too long");
		const bytes = this.#window.bytes(start, length);
		if (bytes.length < length) throw new BrokenChunk("is cut off");
		return { chunk: this.#small(type, bytes), next: start + length };
	}

	#small(type: number, bytes: Buffer): Chunk | null {
		const { version } = this;
		switch (type) {
			case ChunkType.Client:
				return { type: "client", client: readClient(bytes, version) };
			case ChunkType.Queued:
				return { type: "queued", queued: readQueued(bytes, version) };
			case ChunkType.Subscription: {
				const subscription = readSubscription(bytes, version);
				return { type: "subscription", subscription };
			}
			case ChunkType.Retained:
				return { type: "retained", id: readRetained(bytes) };
			case ChunkType.Config:
				return null;
			default:
				throw new BrokenChunk("is of no known type");
		}
	}

	#head(start: number, length: number): MessageHead {
		const bytes = this.#window.bytes(start, Math.min(length, MOST_HEAD_BYTES));
		const head = readMessageHead(bytes, length, this.version);
		if (head.payloadLength > MOST_PAYLOAD_BYTES)
			throw new BrokenChunk("is too long");
		return head;
	}

	#typeAt(at: number): number {
		const size = headerBytes(this.version);
		const bytes = this.#window.bytes(at, size);
		if (bytes.length < size) throw new BrokenChunk("is cut off");
		return size === 8 ? bytes.readUInt32BE(0) : bytes.readUInt16BE(0);
	}

	#lengthAt(at: number): number {
		const size = headerBytes(this.version);
		const bytes = this.#window.bytes(at, size);
		if (bytes.length < size) throw new BrokenChunk("is cut off");
		return bytes.readUInt32BE(size - 4);
	}

	/** Where two chunks in a row, or one at the end of the file, make sense again. */
	#findNext(from: number): number {
		const { size } = this.#window;
		for (let base = from; base < size; base += SEARCH_BYTES) {
			// A copy: reading candidates moves the window.
			const bytes = Buffer.from(this.#window.bytes(base, SEARCH_BYTES + 4));
			const last = Math.min(SEARCH_BYTES, bytes.length);
			for (let offset = 0; offset < last; offset++) {
				if (!this.#mayBegin(bytes, offset)) continue;
				const first = this.#tryRead(base + offset);
				if (first === null || !isSensible(first.chunk)) continue;
				const isEnd = first.next === size;
				if (isEnd || this.#tryRead(first.next) !== null) return base + offset;
			}
		}
		return size;
	}

	#mayBegin(bytes: Buffer, at: number): boolean {
		const typeBytes = headerBytes(this.version) - 4;
		for (let place = 0; place < typeBytes - 1; place++)
			if (bytes[at + place] !== 0) return false;
		const type = bytes[at + typeBytes - 1] ?? 0;
		return type >= ChunkType.Config && type <= ChunkType.Client;
	}
}

/** Stricter than what is taken where chunks follow each other as they should. */
function isSensible(chunk: Chunk | null): boolean {
	if (chunk === null) return false;
	if (chunk.type === "message") return isText(chunk.head.topic);
	if (chunk.type === "client") return isText(chunk.client.clientId);
	if (chunk.type === "queued") return isText(chunk.queued.clientId);
	if (chunk.type === "subscription")
		return (
			isText(chunk.subscription.clientId) && isText(chunk.subscription.filter)
		);
	return true;
}

function isText(text: string): boolean {
	return text !== "" && !text.includes("\u0000") && !text.includes("\ufffd");
}
