/**
 * Connections that come in while the store is still being opened. Addresses are bound
 * first, so that a port in use is noticed before any data is touched; clients wait
 * for the rest of the start instead of being turned away.
 */
import type { ByteStream, StreamHandler } from "./transport/byte-stream.ts";

/** Keeps what a stream brings until somebody takes it over. */
class ParkedStream implements StreamHandler {
	readonly #chunks: Buffer[] = [];
	#error: Error | null = null;
	#isClosed = false;

	onData(chunk: Buffer): void {
		this.#chunks.push(Buffer.from(chunk)); // one read at most: the stream is paused
	}

	onDrain(): void {}

	onClose(error: Error | null): void {
		this.#isClosed = true;
		this.#error = error;
	}

	handTo(handler: StreamHandler): void {
		for (const chunk of this.#chunks) handler.onData(chunk);
		if (this.#isClosed) handler.onClose(this.#error);
	}
}

export class Parking {
	#waiting: Array<() => void> | null = [];

	/** Calls `accept` now, or as soon as {@link open} is called. */
	admit(stream: ByteStream, accept: () => StreamHandler): void {
		if (this.#waiting === null) {
			accept();
			return;
		}
		const parked = new ParkedStream();
		stream.setHandler(parked);
		stream.pause();
		this.#waiting.push(() => {
			const handler = accept();
			stream.resume();
			parked.handTo(handler);
		});
	}

	open(): void {
		const waiting = this.#waiting ?? [];
		this.#waiting = null;
		for (const goOn of waiting) goOn();
	}
}
