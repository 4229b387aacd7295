/**
 * Buffers for outgoing bytes, shared by all outboxes of a flush loop. An idle
 * connection holds none. Four sizes, so that a message to ten thousand quiet
 * subscribers takes 10 MB for the length of a turn, not 160.
 */

/** Bytes of each size class, ascending. */
const CHUNK_SIZES = [1024, 4096, 16_384, 65_536] as const;
export const LARGEST_CHUNK = CHUNK_SIZES[3];

/** The smallest class that holds `bytes`; the largest when none does. */
export function chunkClassFor(bytes: number): number {
	if (bytes <= 1024) return 0;
	if (bytes <= 4096) return 1;
	return bytes <= 16_384 ? 2 : 3;
}

export class ChunkPool {
	/** Bytes of unused chunks that are kept; more are left to the garbage collector. */
	readonly maxFreeBytes: number;
	/** Bytes of unused chunks kept now. */
	freeBytes = 0;
	readonly #free: Buffer[][] = CHUNK_SIZES.map(() => []);

	constructor(maxFreeBytes: number) {
		this.maxFreeBytes = maxFreeBytes;
	}

	/** A chunk of exactly the size of its class; its content is arbitrary. */
	take(sizeClass: number): Buffer {
		const chunk = this.#free[sizeClass]?.pop();
		if (chunk === undefined) {
			return Buffer.allocUnsafeSlow(CHUNK_SIZES[sizeClass] ?? 65_536);
		}
		this.freeBytes -= chunk.length;
		return chunk;
	}

	/** Takes back a chunk that nobody reads any more. */
	give(chunk: Buffer): void {
		if (this.freeBytes + chunk.length > this.maxFreeBytes) return;
		this.freeBytes += chunk.length;
		this.#free[chunkClassFor(chunk.length)]?.push(chunk);
	}
}

/** Stands for "no chunk": it has no room, so the common path needs no test for null. */
export const NO_CHUNK = Buffer.alloc(0);
