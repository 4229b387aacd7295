/**
 * One MQTT 3.1.1 connection of the load generator: hand-encoded frames out, a
 * parser that looks only at what it counts in. Everything that one socket read
 * calls for is written at once.
 */
import { connect, type Socket } from "node:net";

const readBufferBytes = 65_536;

/** Told about each PUBLISH: where its payload starts in the bytes. */
export type OnPublish = (bytes: Buffer, payloadAt: number) => void;

export class LoadConnection {
	readonly socket: Socket;
	/** Messages of QoS 1 and 2 sent and not acknowledged yet. */
	inflight = 0;
	readonly #topicBytes: number;
	readonly #onPublish: OnPublish;
	readonly #onProgress: () => void;
	readonly #acks = Buffer.allocUnsafe(2 * readBufferBytes);
	#ackBytes = 0;
	#rest: Buffer = Buffer.alloc(0);
	#lastId = 0;
	#answered: (() => void) | undefined;

	/**
	 * @param topicBytes length of every topic that will arrive here
	 * @param onProgress called after each read, when there may be room to send
	 */
	constructor(
		port: number,
		topicBytes: number,
		onPublish: OnPublish,
		onProgress: () => void,
	) {
		this.#topicBytes = topicBytes;
		this.#onPublish = onPublish;
		this.#onProgress = onProgress;
		this.socket = connect({
			port,
			host: "127.0.0.1",
			noDelay: true,
			onread: {
				buffer: Buffer.allocUnsafe(readBufferBytes),
				callback: (length, buffer) => {
					this.#read(Buffer.from(buffer.buffer, buffer.byteOffset, length));
					return true;
				},
			},
		});
		this.socket.on("drain", onProgress);
	}

	/** @param isClean false to resume a session and to leave one behind */
	async open(clientId: string, isClean = true): Promise<void> {
		const id = Buffer.from(clientId);
		const flags = isClean ? 2 : 0;
		const body = Buffer.concat([
			Buffer.from([0, 4, 77, 81, 84, 84, 4, flags, 0, 0, 0, id.length]),
			id,
		]);
		await this.#ask(Buffer.concat([header(0x10, body.length), body]));
	}

	subscribe(filter: string, qos: number): Promise<void> {
		return this.subscribeAll([filter], qos);
	}

	/** In one packet. */
	async subscribeAll(filters: readonly string[], qos: number): Promise<void> {
		const body = Buffer.concat([
			Buffer.from([0, 1]),
			...filters.flatMap((filter) => {
				const text = Buffer.from(filter);
				return [Buffer.from([0, text.length]), text, Buffer.from([qos])];
			}),
		]);
		await this.#ask(Buffer.concat([header(0x82, body.length), body]));
	}

	/** Writes copies of a frame; QoS 1 and 2 get ids of their own at the offset. */
	send(frame: Buffer, copies: number, idOffset: number): void {
		const bytes = Buffer.allocUnsafe(frame.length * copies);
		for (let copy = 0; copy < copies; copy++) {
			const at = copy * frame.length;
			frame.copy(bytes, at);
			if (idOffset === 0) continue;
			this.#lastId = (this.#lastId % 65_535) + 1;
			bytes.writeUInt16BE(this.#lastId, at + idOffset);
			this.inflight++;
		}
		this.socket.write(bytes);
	}

	/** Resolves when all that was sent before has been read. */
	ping(): Promise<void> {
		return this.#ask(Buffer.from([0xc0, 0]));
	}

	async close(): Promise<void> {
		const closed = new Promise((done) => this.socket.once("close", done));
		this.socket.end(Buffer.from([0xe0, 0]));
		this.socket.destroySoon();
		await closed;
	}

	#ask(frame: Buffer): Promise<void> {
		return new Promise((done, fail) => {
			this.socket.once("error", fail);
			this.#answered = () => {
				this.socket.off("error", fail);
				done();
			};
			this.socket.write(frame);
		});
	}

	#read(chunk: Buffer): void {
		const bytes =
			this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
		let at = 0;
		while (bytes.length - at >= 2) {
			let length = 0;
			let bodyAt = at + 1;
			let more = 0x80;
			for (let shift = 0; more !== 0 && bodyAt < bytes.length; shift += 7) {
				const byte = bytes[bodyAt++] ?? 0;
				length += (byte & 0x7f) << shift;
				more = byte & 0x80;
			}
			if (more !== 0 || bodyAt + length > bytes.length) break;
			this.#handle(bytes, bytes[at] ?? 0, bodyAt);
			at = bodyAt + length;
		}
		// The read buffer is used again: what is left over has to be copied.
		this.#rest = Buffer.from(bytes.subarray(at));
		if (this.#ackBytes > 0) {
			this.socket.write(Buffer.from(this.#acks.subarray(0, this.#ackBytes)));
			this.#ackBytes = 0;
		}
		this.#onProgress();
	}

	#handle(bytes: Buffer, first: number, bodyAt: number): void {
		switch (first >> 4) {
			case 3: {
				const idAt = bodyAt + 2 + this.#topicBytes;
				const qos = (first >> 1) & 3;
				this.#onPublish(bytes, qos === 0 ? idAt : idAt + 2);
				if (qos > 0) this.#ack(qos === 1 ? 0x40 : 0x50, bytes, idAt);
				break;
			}
			case 4:
			case 7:
				this.inflight--;
				break;
			case 5:
				this.#ack(0x62, bytes, bodyAt);
				break;
			case 6:
				this.#ack(0x70, bytes, bodyAt);
				break;
			default:
				this.#answered?.();
				this.#answered = undefined;
		}
	}

	#ack(first: number, bytes: Buffer, idAt: number): void {
		const acks = this.#acks;
		acks[this.#ackBytes] = first;
		acks[this.#ackBytes + 1] = 2;
		acks[this.#ackBytes + 2] = bytes[idAt] ?? 0;
		acks[this.#ackBytes + 3] = bytes[idAt + 1] ?? 0;
		this.#ackBytes += 4;
	}
}

/** Fixed header with remaining length. */
function header(first: number, length: number): Buffer {
	const bytes = [first];
	let rest = length;
	do {
		const low = rest % 128;
		rest = Math.floor(rest / 128);
		bytes.push(rest > 0 ? low | 0x80 : low);
	} while (rest > 0);
	return Buffer.from(bytes);
}

/** A whole PUBLISH frame and where its packet id is; 0 without one. */
export function publishFrame(
	topic: string,
	qos: 0 | 1 | 2,
	payload: Buffer,
): { frame: Buffer; idOffset: number; payloadOffset: number } {
	const name = Buffer.from(topic);
	const parts: Buffer[] = [
		Buffer.from([name.length >> 8, name.length & 0xff]),
		name,
	];
	if (qos > 0) parts.push(Buffer.from([0, 0]));
	parts.push(payload);
	const body = Buffer.concat(parts);
	const start = header(0x30 | (qos << 1), body.length);
	const idAt = start.length + 2 + name.length;
	return {
		frame: Buffer.concat([start, body]),
		idOffset: qos > 0 ? idAt : 0,
		payloadOffset: qos > 0 ? idAt + 2 : idAt,
	};
}
