/** When messages that wait for their acknowledgement were due, by packet id. */
export class AckTimes {
	/** A ring: ids come in turn, and few are open at a time. */
	readonly #ids: Uint16Array;
	readonly #dueMs: Float64Array;
	readonly #mask: number;

	/** @param window of messages that may be open */
	constructor(window: number) {
		const size = 2 ** Math.ceil(Math.log2(2 * window));
		this.#ids = new Uint16Array(size);
		this.#dueMs = new Float64Array(size);
		this.#mask = size - 1;
	}

	sent(packetId: number, dueMs: number): void {
		this.#ids[packetId & this.#mask] = packetId;
		this.#dueMs[packetId & this.#mask] = dueMs;
	}

	/** @returns 0 when it is no longer known: far more were sent since */
	dueMs(packetId: number): number {
		const at = packetId & this.#mask;
		return this.#ids[at] === packetId ? (this.#dueMs[at] as number) : 0;
	}
}
