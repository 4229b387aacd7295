/** Answers of the broker that somebody waits for, by what they answer. */
import type { Packet } from "mqtt-packet";

const TIMEOUT_MS = 30_000;

export class Answers {
	readonly #waiting = new Map<string, (packet: Packet | null) => void>();
	readonly #onLate: (key: string) => void;

	/** @param onLate told when an answer does not come; it counts as none then */
	constructor(onLate: (key: string) => void) {
		this.#onLate = onLate;
	}

	/** Null when the connection ends first. */
	wait(key: string): Promise<Packet | null> {
		const { promise, resolve } = Promise.withResolvers<Packet | null>();
		const timer = setTimeout(() => {
			this.#onLate(`no ${key} in ${TIMEOUT_MS} ms`);
			this.come(key, null);
		}, TIMEOUT_MS);
		this.#waiting.set(key, (packet) => {
			clearTimeout(timer);
			resolve(packet);
		});
		return promise;
	}

	isAwaited(key: string): boolean {
		return this.#waiting.has(key);
	}

	come(key: string, packet: Packet | null): void {
		const resolve = this.#waiting.get(key);
		this.#waiting.delete(key);
		resolve?.(packet);
	}

	/** The connection is over. */
	clear(): void {
		for (const key of [...this.#waiting.keys()]) this.come(key, null);
	}
}
