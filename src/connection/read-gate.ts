/** Why a connection is not read at the moment, and the pause of its stream that follows. */
import type { ByteStream } from "../transport/byte-stream.ts";
import { Hold } from "./connection-state.ts";

export class ReadGate {
	readonly #stream: ByteStream;
	#holds = 0;
	#isPaused = false;
	#isReceiving = false;

	constructor(stream: ByteStream) {
		this.#stream = stream;
	}

	/** Nothing holds: packets are handled as they come. */
	get isOpen(): boolean {
		return this.#holds === 0;
	}

	has(reason: Hold): boolean {
		return (this.#holds & reason) !== 0;
	}

	hold(reason: Hold): void {
		this.#holds |= reason;
		this.steer();
	}

	/** {@link steer} follows, when what was kept has been handled. */
	unhold(reason: Hold): void {
		this.#holds &= ~reason;
	}

	/** The connection ends: what still comes is read, to see the end of the stream. */
	clear(): void {
		this.#holds = 0;
	}

	/**
	 * A chunk is being handled: nothing is read until that ends, so the stream is left alone.
	 * Most holds (a CONNECT's, a window that is free again at once) are over by then.
	 */
	beginChunk(): void {
		this.#isReceiving = true;
	}

	endChunk(): void {
		this.#isReceiving = false;
		this.steer();
	}

	/** Has the stream stop or go on. */
	steer(): void {
		if (this.#isReceiving) return;
		// While a take-over is delayed the stream is read on, or its end would not be seen.
		const shouldPause = (this.#holds & ~Hold.TakeOver) !== 0;
		if (shouldPause === this.#isPaused) return;
		this.#isPaused = shouldPause;
		if (shouldPause) this.#stream.pause();
		else this.#stream.resume();
	}
}
