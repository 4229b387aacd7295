/**
 * Writes out, once per event-loop turn, every outbox that got something in it.
 *
 * One `setImmediate` serves all: it runs after the sockets of a turn were read, so
 * the packets of many reads leave in one write per connection. Owns what outboxes
 * share: the chunk pool and the counts of buffers held by reference.
 */

import type { ByteBudget } from "../platform/byte-budget.ts";
import { ChunkPool } from "./chunk-pool.ts";
import type { Outbox } from "./outbox.ts";
import { SharedReferences } from "./shared-references.ts";

/** Unused output chunks kept for the next turn. */
const POOL_BYTES = 2 * 1024 * 1024;

export class FlushLoop {
	readonly pool = new ChunkPool(POOL_BYTES);
	readonly #references = new WeakMap<ByteBudget, SharedReferences>();
	#dirty: Outbox[] = [];
	#flushing: Outbox[] = [];
	#isArmed = false;
	#isFlushing = false;

	/** The outbox is flushed at the end of this turn; harmless when it is listed already. */
	markDirty(outbox: Outbox): void {
		if (outbox.isListed) return;
		outbox.isListed = true;
		this.#dirty.push(outbox);
		if (this.#isArmed) return;
		this.#isArmed = true;
		setImmediate(flushTurn, this);
	}

	/** Flushes all now. What is appended meanwhile waits for the next turn. */
	flush(): void {
		if (this.#isFlushing) return; // called from within a write: the outer call goes on
		this.#isFlushing = true;
		this.#isArmed = false;
		const outboxes = this.#dirty;
		this.#dirty = this.#flushing;
		this.#flushing = outboxes;
		for (const outbox of outboxes) {
			outbox.isListed = false;
			outbox.flush();
		}
		outboxes.length = 0;
		this.#isFlushing = false;
	}

	/** One count per budget: what the budget's outboxes hold together is charged once. */
	referencesOf(budget: ByteBudget): SharedReferences {
		let references = this.#references.get(budget);
		if (references === undefined) {
			references = new SharedReferences(budget);
			this.#references.set(budget, references);
		}
		return references;
	}
}

function flushTurn(loop: FlushLoop): void {
	loop.flush();
}
