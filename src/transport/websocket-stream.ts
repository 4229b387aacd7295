/**
 * A byte stream in the binary messages of a WebSocket. The `ws` library does the
 * handshake, reads frames and answers control frames; outgoing data frames are
 * written here, straight to the socket: a server's frame is a short header before
 * the bytes, so many buffers leave as one message without being joined.
 * Everything runs inside one socket event on the main thread.
 */

import type { Socket } from "node:net";
import type { RawData, WebSocket } from "ws";
import type { ByteBudget } from "../platform/byte-budget.ts";
import type { ByteStream, StreamHandler, StreamInfo } from "./byte-stream.ts";
import { endTurn, type TurnReader } from "./read-turns.ts";
import { SocketWriter } from "./socket-writer.ts";

/** Close codes of RFC 6455, 7.4.1. */
const NORMAL_CLOSURE = 1000;
const UNSUPPORTED_DATA = 1003;

/** A read may hold the end of one message and the start of the next. */
const READ_BYTES = 64 * 1024;

/** FIN and opcode 2: a whole binary message. */
const BINARY_MESSAGE = 0x82;

const kStream = Symbol("stream");
type Owned = { [kStream]: WebSocketStream };

export class WebSocketStream implements ByteStream, TurnReader {
	readonly info: StreamInfo;
	readonly #ws: WebSocket;
	readonly #socket: Socket;
	readonly #writer: SocketWriter;
	#handler: StreamHandler | null = null;
	#error: Error | null = null;
	#awaitsDrain = false;
	#isEnding = false;
	/** Whoever handles the bytes wants no more for now. */
	#isPaused = false;
	/** A ping that came while the socket was full; only the latest needs an answer. */
	#owedPong: Buffer | null = null;
	/** Charged for input that the library holds until its message is whole. */
	readonly #budget: ByteBudget | null;
	#partialBytes = 0;
	#messageEnded = false;
	#gatherLimit = Number.POSITIVE_INFINITY;

	/**
	 * @param ws an open server-side WebSocket without permessage-deflate
	 * @param socket the connection below it
	 * @param budget charged for messages that have not arrived whole
	 */
	constructor(
		ws: WebSocket,
		socket: Socket,
		info: StreamInfo,
		budget: ByteBudget | null = null,
	) {
		this.#budget = budget;
		this.info = info;
		this.#ws = ws;
		this.#socket = socket;
		this.#writer = new SocketWriter(socket);
		ws.binaryType = "fragments"; // a message in several frames is not joined
		(ws as unknown as Owned)[kStream] = this;
		(socket as unknown as Owned)[kStream] = this;
		ws.on("message", onMessage);
		ws.on("ping", onPing);
		ws.on("error", onError);
		ws.on("close", onClose);
		socket.on("drain", onDrain);
		socket.on("data", onInput); // after the library's listener
	}

	get pendingBytes(): number {
		return this.#writer.pendingBytes;
	}

	limitGathering(bytes: number): void {
		this.#gatherLimit = bytes;
	}

	setHandler(handler: StreamHandler): void {
		this.#handler = handler;
	}

	write(buffers: readonly Buffer[]): boolean {
		if (this.#isEnding || this.#ws.readyState !== this.#ws.OPEN) return true;
		let length = 0;
		for (const buffer of buffers) length += buffer.length;
		if (length === 0) return this.#socket.writableLength === 0;
		if (this.#writer.write(encodeHeader(length), buffers)) return true; // [MQTT-6.0.0-1]
		this.#awaitsDrain = true;
		return false;
	}

	pause(): void {
		if (this.#isEnding) return;
		this.#isPaused = true;
		this.#ws.pause();
	}

	resume(): void {
		this.#isPaused = false;
		this.#ws.resume();
	}

	/** A full read was handled: others have their turn. */
	turnEnded(): void {
		if (this.#isEnding || this.#isPaused) return;
		this.#ws.pause();
		endTurn(this);
	}

	readAgain(): void {
		if (!this.#isPaused) this.#ws.resume();
	}

	end(): void {
		this.#end(NORMAL_CLOSURE, "");
	}

	destroy(): void {
		this.#isEnding = true;
		this.#ws.terminate();
	}

	/** The closing handshake; the library ends the socket when the peer does not answer in time. */
	#end(code: number, reason: string): void {
		if (this.#isEnding) return;
		this.#isEnding = true;
		this.resume(); // or the answer to the close frame would never be read
		this.#ws.close(code, reason);
	}

	/** For the listeners of socket and library, like those below. */
	received(bytes: Buffer): void {
		if (!this.#isEnding) this.#handler?.onData(bytes); // packets need not end with a message [MQTT-6.0.0-2]
	}

	messageEnded(): void {
		this.#messageEnded = true;
	}

	receivedText(): void {
		this.#error ??= new Error(
			"sent a WebSocket text message; MQTT needs binary ones",
		);
		this.#end(UNSUPPORTED_DATA, "MQTT needs binary messages"); // [MQTT-6.0.0-1]
	}

	/** Answers a ping, but not into the queue of a peer that does not read: pongs would pile up. */
	pinged(payload: Buffer): void {
		if (this.#isEnding) return;
		if (this.#socket.writableLength === 0) this.#ws.pong(payload);
		else this.#owedPong = Buffer.from(payload);
	}

	/**
	 * Counts what the library has read and not handed over. What follows a message in
	 * the same read is not known, so the whole read counts: at most 64 KiB too much.
	 */
	counted(bytes: number): void {
		const budget = this.#budget;
		if (budget === null || this.#isEnding) return;
		if (this.#messageEnded) this.#releasePartial();
		this.#messageEnded = false;
		const isWithin =
			this.#partialBytes + bytes <= this.#gatherLimit + READ_BYTES;
		if (isWithin && budget.tryCharge(bytes)) {
			this.#partialBytes += bytes;
			return;
		}
		this.#error ??= new Error(
			isWithin
				? `sent part of a WebSocket message of more than ${this.#partialBytes} bytes while ${budget.name} was full (${budget.key})`
				: `sent more than ${this.#gatherLimit} bytes in a WebSocket message before its CONNECT (max_connect_size)`,
		);
		this.destroy();
	}

	#releasePartial(): void {
		this.#budget?.release(this.#partialBytes);
		this.#partialBytes = 0;
	}

	drained(): void {
		if (this.#socket.writableLength > 0 || this.#isEnding) return;
		const pong = this.#owedPong;
		this.#owedPong = null;
		const isAwaited = this.#awaitsDrain;
		this.#awaitsDrain = false;
		if (isAwaited) this.#handler?.onDrain();
		if (pong !== null) this.pinged(pong);
	}

	failed(error: Error): void {
		this.#error ??= error;
	}

	closed(): void {
		this.#isEnding = true;
		this.#releasePartial();
		this.#handler?.onClose(this.#error);
	}
}

function streamOf(object: WebSocket | Socket): WebSocketStream {
	return (object as unknown as Owned)[kStream];
}

function onMessage(this: WebSocket, data: RawData, isBinary: boolean): void {
	const stream = streamOf(this);
	stream.messageEnded();
	if (!isBinary) stream.receivedText();
	else if (Array.isArray(data)) for (const part of data) stream.received(part);
	else stream.received(data as Buffer);
}

function onPing(this: WebSocket, payload: Buffer): void {
	streamOf(this).pinged(payload);
}

function onInput(this: Socket, chunk: Buffer): void {
	const stream = streamOf(this);
	stream.counted(chunk.length);
	if (chunk.length >= READ_BYTES) stream.turnEnded();
}

function onDrain(this: Socket): void {
	streamOf(this).drained();
}

function onError(this: WebSocket, error: Error): void {
	streamOf(this).failed(error);
}

function onClose(this: WebSocket): void {
	streamOf(this).closed();
}

/** The header of one unmasked binary message of `length` bytes [RFC 6455, 5.2]. */
function encodeHeader(length: number): Buffer {
	if (length < 126) {
		const header = Buffer.allocUnsafe(2);
		header[0] = BINARY_MESSAGE;
		header[1] = length;
		return header;
	}
	if (length < 65_536) {
		const header = Buffer.allocUnsafe(4);
		header[0] = BINARY_MESSAGE;
		header[1] = 126;
		header.writeUInt16BE(length, 2);
		return header;
	}
	const header = Buffer.allocUnsafe(10);
	header[0] = BINARY_MESSAGE;
	header[1] = 127;
	header.writeUInt32BE(Math.floor(length / 2 ** 32), 2);
	header.writeUInt32BE(length >>> 0, 6);
	return header;
}
