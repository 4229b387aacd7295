/** What the transport tests share: recording handlers, listeners on port 0, peers. */

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type {
	Accept,
	ByteStream,
	StreamHandler,
} from "../../../src/transport/byte-stream.ts";
import type { ListenerOptions } from "../../../src/transport/listener.ts";

export class Recorder implements StreamHandler {
	readonly chunks: Buffer[] = [];
	drains = 0;
	readonly closes: (Error | null)[] = [];
	#waiters: { holds: () => boolean; resolve: () => void }[] = [];

	onData(chunk: Buffer): void {
		this.chunks.push(Buffer.from(chunk));
		this.#changed();
	}

	onDrain(): void {
		this.drains++;
		this.#changed();
	}

	onClose(error: Error | null): void {
		this.closes.push(error);
		this.#changed();
	}

	get bytes(): Buffer {
		return Buffer.concat(this.chunks);
	}

	/** Resolves as soon as `holds` is true after an event. */
	until(holds: () => boolean): Promise<void> {
		if (holds()) return Promise.resolve();
		return new Promise((resolve) => this.#waiters.push({ holds, resolve }));
	}

	#changed(): void {
		const ready = this.#waiters.filter((waiter) => waiter.holds());
		this.#waiters = this.#waiters.filter((waiter) => !ready.includes(waiter));
		for (const waiter of ready) waiter.resolve();
	}
}

export interface Accepted {
	readonly stream: ByteStream;
	readonly recorder: Recorder;
}

/** An `accept` whose streams can be awaited one after the other. */
export class Acceptor {
	readonly all: Accepted[] = [];
	#wake: (() => void) | null = null;
	#taken = 0;

	readonly accept: Accept = (stream) => {
		const recorder = new Recorder();
		stream.setHandler(recorder);
		this.all.push({ stream, recorder });
		this.#wake?.();
	};

	async next(): Promise<Accepted> {
		for (;;) {
			const accepted = this.all[this.#taken];
			if (accepted !== undefined) {
				this.#taken++;
				return accepted;
			}
			await new Promise<void>((resolve) => {
				this.#wake = resolve;
			});
		}
	}

	destroyAll(): void {
		for (const { stream } of this.all) stream.destroy();
	}
}

export function listenerOptions(
	overrides: Partial<ListenerOptions> = {},
): ListenerOptions {
	return {
		name: `${overrides.transport ?? "tcp"}:default`,
		transport: "tcp",
		addresses: [{ host: "127.0.0.1", port: 0 }],
		maxConnections: 100,
		backlog: 64,
		noDelay: true,
		keepAliveSeconds: 60,
		...overrides,
	};
}

export async function connectTo(
	port: number,
	host = "127.0.0.1",
): Promise<Socket> {
	const socket = connect(port, host);
	await once(socket, "connect");
	return socket;
}

/** Turns of the event loop; for what must have happened by then, or must not. */
export async function turns(count: number): Promise<void> {
	for (let i = 0; i < count; i++) {
		await new Promise((resolve) => setImmediate(resolve));
	}
}

/** Runs turns until `holds`; the test's own time limit ends it when it never does. */
export async function eventually(holds: () => boolean): Promise<void> {
	while (!holds()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** All bytes that arrive at a socket until it ends. */
export async function readToEnd(socket: Socket): Promise<Buffer> {
	const chunks: Buffer[] = [];
	socket.on("data", (chunk: Buffer) => chunks.push(chunk));
	await once(socket, "close");
	return Buffer.concat(chunks);
}
