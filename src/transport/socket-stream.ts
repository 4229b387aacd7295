/**
 * A byte stream on a socket (TCP, unix) or on any Duplex.
 *
 * Owns the socket from construction on. Listeners are functions of this file that
 * find their stream by a back reference, so a connection costs no closures.
 * Everything runs inside one socket event on the main thread.
 */

import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import {
	type Clock,
	systemClock,
	type TimerHandle,
} from "../platform/clock.ts";
import type { ByteStream, StreamHandler, StreamInfo } from "./byte-stream.ts";
import { hasUsedTurn, nextReadSize, type TurnReader } from "./read-turns.ts";
import { SocketWriter } from "./socket-writer.ts";

/** How long `end()` waits for the peer to take what is pending and to close. */
export const LINGER_MS = 2000;

/** One read of the system; shared by all sockets because a read is handled before the next begins. */
const readBuffer = Buffer.allocUnsafeSlow(64 * 1024);
/**
 * By read size; the smaller one is for a socket whose bytes take long to handle. Still
 * smaller ones would split the writes of a fan-out, at a fifth more CPU time.
 */
const readBuffers = [readBuffer, readBuffer.subarray(0, 16 * 1024)];

const kStream = Symbol("stream");
/** Set on sockets that read into the shared buffer; they emit no `data`. */
const kReadsShared = Symbol("reads shared");
type OwnedSocket = Duplex & {
	[kStream]: SocketStream;
	[kReadsShared]?: boolean;
};

export class SocketStream implements ByteStream, TurnReader {
	readonly info: StreamInfo;
	readonly #socket: Duplex;
	readonly #writer: SocketWriter;
	readonly #clock: Clock;
	#handler: StreamHandler | null = null;
	#error: Error | null = null;
	/** A write was refused in part and `onDrain` is owed. */
	#awaitsDrain = false;
	/** Index of {@link readBuffers}. */
	#readSize = 0;
	/** Whoever handles the bytes wants no more for now. */
	#isPaused = false;
	/** `end()` or `destroy()` was called: what still arrives is thrown away. */
	#isEnding = false;
	/** `onClose` was called. */
	#isClosed = false;
	#linger: TimerHandle | null = null;

	/**
	 * @param socket a connected socket, or a Duplex in its place
	 * @param clock for the bound of {@link end}
	 */
	constructor(socket: Duplex, info: StreamInfo, clock: Clock = systemClock) {
		this.info = info;
		this.#socket = socket;
		this.#writer = new SocketWriter(socket);
		this.#clock = clock;
		const owned = socket as OwnedSocket;
		owned[kStream] = this;
		if (!owned[kReadsShared]) socket.on("data", onData);
		socket.on("drain", onDrain);
		socket.on("end", onEnd);
		socket.on("error", onError);
		socket.on("close", onClose);
	}

	/**
	 * A socket on an accepted handle that reads into the one buffer all sockets share:
	 * no allocation per read, and a pause that stops at once (test/bench/socket-read.ts).
	 */
	static adoptHandle(handle: object): Socket {
		nextBuffer = readBuffer;
		const onread = { buffer: takeBuffer, callback: onRead };
		const options = { handle, onread };
		const socket = new Socket(options as object);
		(socket as Duplex as OwnedSocket)[kReadsShared] = true;
		return socket;
	}

	get pendingBytes(): number {
		return this.#writer.pendingBytes;
	}

	/** Bytes are handed over as they come: there is nothing to bound. */
	limitGathering(): void {}

	setHandler(handler: StreamHandler): void {
		const isFirst = this.#handler === null;
		this.#handler = handler;
		if (isFirst) this.#socket.resume();
	}

	write(buffers: readonly Buffer[]): boolean {
		if (this.#isEnding || this.#writer.write(null, buffers)) return true;
		this.#awaitsDrain = true;
		return false;
	}

	pause(): void {
		if (this.#isEnding) return;
		this.#isPaused = true;
		this.#socket.pause();
	}

	resume(): void {
		this.#isPaused = false;
		this.#socket.resume();
	}

	readAgain(): void {
		if (!this.#isPaused) this.#socket.resume();
	}

	end(): void {
		if (this.#isEnding) return;
		this.#isEnding = true;
		this.#socket.end();
		// Unread input would turn the close into a reset, and the peer would lose our last packet.
		this.resume();
		this.#linger = this.#clock.setTimer(() => this.destroy(), LINGER_MS);
	}

	destroy(): void {
		this.#isEnding = true;
		this.#socket.destroy();
	}

	/** For the socket's listeners, like the four below. */
	received(chunk: Buffer): void {
		if (!this.#isEnding && !this.#isClosed) this.#handler?.onData(chunk);
	}

	/** More waits behind it. @returns whether to read on in this turn */
	receivedFull(chunk: Buffer): boolean {
		const beginMs = this.#clock.monotonicMs();
		this.received(chunk);
		const tookMs = this.#clock.monotonicMs() - beginMs;
		const size = nextReadSize(this.#readSize, tookMs, readBuffers.length);
		if (size !== this.#readSize) {
			this.#readSize = size;
			nextBuffer = readBuffers[size];
		}
		return !hasUsedTurn(this, tookMs);
	}

	drained(): void {
		if (!this.#awaitsDrain || this.#socket.writableLength > 0) return;
		this.#awaitsDrain = false;
		this.#handler?.onDrain();
	}

	/** The peer sends no more: for MQTT that is the end, but what is pending still leaves. */
	peerEnded(): void {
		this.#close();
		this.end();
	}

	failed(error: Error): void {
		this.#error ??= error;
	}

	socketClosed(): void {
		if (this.#linger !== null) this.#clock.clearTimer(this.#linger);
		this.#linger = null;
		this.#close();
	}

	#close(): void {
		if (this.#isClosed) return;
		this.#isClosed = true;
		this.#awaitsDrain = false;
		this.#handler?.onClose(this.#error);
	}
}

function streamOf(socket: Duplex): SocketStream {
	return (socket as OwnedSocket)[kStream];
}

function onRead(this: Duplex, length: number, buffer: Buffer): boolean {
	if (length === buffer.length) return streamOf(this).receivedFull(buffer);
	streamOf(this).received(buffer.subarray(0, length));
	return true;
}

/** What the socket that has just called {@link onRead} is to read into from now on. */
let nextBuffer: Buffer | undefined;

/** Asked for at the start and after each read; undefined leaves a socket the buffer it has. */
function takeBuffer(): Buffer | undefined {
	const buffer = nextBuffer;
	nextBuffer = undefined;
	return buffer;
}

function onData(this: Duplex, chunk: Buffer): void {
	streamOf(this).received(chunk);
}

function onDrain(this: Duplex): void {
	streamOf(this).drained();
}

function onEnd(this: Duplex): void {
	streamOf(this).peerEnded();
}

function onError(this: Duplex, error: Error): void {
	streamOf(this).failed(error);
}

function onClose(this: Duplex): void {
	streamOf(this).socketClosed();
}
