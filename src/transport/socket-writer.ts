/**
 * The writing half that TCP, unix and WebSocket streams share: one system call for
 * many buffers, and a plain answer to "did the system take it all?".
 *
 * Node hands a write to the system at once and queues only the rest, so
 * `writableLength` is 0 after a write that was taken whole (socket-stream.test.ts
 * holds this for the pinned runtime). A Duplex that is no socket keeps the buffers
 * it is given, so there the bytes are copied first.
 */

import { Socket } from "node:net";
import type { Duplex } from "node:stream";

/** Parts of Node's streams that have no public name. */
interface StreamInternals {
	readonly _writableState: { needDrain: boolean };
	readonly _handle?: { readonly writeQueueSize?: number } | null;
}

export class SocketWriter {
	readonly #socket: Duplex;
	readonly #copies: boolean;
	/** Length of the write that the system took only in part; 0 when none. */
	#partial = 0;

	constructor(socket: Duplex) {
		this.#socket = socket;
		this.#copies = !(socket instanceof Socket);
	}

	/** Bytes that the system has not taken; falls while a large write progresses. */
	get pendingBytes(): number {
		const queued = this.#socket.writableLength;
		if (queued === 0 || queued !== this.#partial) return queued;
		const handle = (this.#socket as unknown as StreamInternals)._handle;
		const left = handle?.writeQueueSize;
		return left === undefined || left > queued ? queued : left;
	}

	/**
	 * Writes `header` (when there is one) and all buffers in order.
	 * @returns true when the system took everything: the buffers are free again;
	 *   otherwise the socket emits `drain` once nothing is left
	 */
	write(header: Buffer | null, buffers: readonly Buffer[]): boolean {
		const socket = this.#socket;
		if (!socket.writable) return true; // closing: nobody will ever read it
		const before = socket.writableLength;
		const first = buffers[0];
		if (this.#copies) {
			socket.write(Buffer.concat(header ? [header, ...buffers] : buffers));
		} else if (header === null && buffers.length === 1 && first !== undefined) {
			socket.write(first);
		} else {
			socket.cork();
			if (header !== null) socket.write(header);
			for (const buffer of buffers) socket.write(buffer);
			socket.uncork();
		}
		const after = socket.writableLength;
		if (after === 0) return true;
		if (before === 0) this.#partial = after;
		// Node asks for `drain` only above its own high-water mark; here every rest counts.
		(socket as unknown as StreamInternals)._writableState.needDrain = true;
		return false;
	}
}
