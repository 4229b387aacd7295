/**
 * A write that one chunk does not hold: its segments in order, and the memory they
 * lie in. Owned by one outbox, which has charged for that memory.
 */

import type { ByteBudget } from "../platform/byte-budget.ts";
import type { ChunkPool } from "./chunk-pool.ts";
import type { SharedReferences } from "./shared-references.ts";

export class OutputBatch {
	/** What to write, in order; emptied when it was written. */
	segments: Buffer[] = [];
	readonly chunks: Buffer[] = [];
	readonly references: Buffer[] = [];

	/**
	 * Takes back all charges, once.
	 * @param pool gets the chunks; null when a socket may still read them, then they
	 *   are left to the garbage collector
	 */
	release(
		budget: ByteBudget,
		references: SharedReferences,
		pool: ChunkPool | null,
	): void {
		for (const chunk of this.chunks) {
			budget.release(chunk.length);
			pool?.give(chunk);
		}
		for (const bytes of this.references) references.letGo(bytes);
	}
}

/** Who wants to know that the peer has stopped taking bytes. */
export interface OutboxOwner {
	/** The system refused a part of a write; `onDrain` of the stream will follow. */
	onBlocked(): void;
}
