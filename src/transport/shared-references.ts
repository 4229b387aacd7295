/**
 * Large buffers that outboxes hold without a copy, charged once per budget however
 * many outboxes hold them: 10 MB to twenty subscribers is 10 MB, not 200.
 */

import type { ByteBudget } from "../platform/byte-budget.ts";

export class SharedReferences {
	readonly #budget: ByteBudget;
	readonly #holders = new Map<Buffer, number>();

	constructor(budget: ByteBudget) {
		this.#budget = budget;
	}

	hold(bytes: Buffer): void {
		const holders = this.#holders.get(bytes) ?? 0;
		if (holders === 0) this.#budget.charge(bytes.length);
		this.#holders.set(bytes, holders + 1);
	}

	letGo(bytes: Buffer): void {
		const holders = this.#holders.get(bytes) ?? 0;
		if (holders > 1) {
			this.#holders.set(bytes, holders - 1);
		} else if (this.#holders.delete(bytes)) {
			this.#budget.release(bytes.length);
		}
	}
}
