/**
 * The subscriptions of one session, by filter. Most sessions have none or one, and a
 * Map for them costs more than the session: it comes with the second.
 */
import type { Subscription } from "./subscription.ts";

export class SubscriptionSet {
	#only: Subscription | null = null;
	#all: Map<string, Subscription> | null = null;

	get size(): number {
		if (this.#all !== null) return this.#all.size;
		return this.#only === null ? 0 : 1;
	}

	get(filter: string): Subscription | undefined {
		if (this.#all !== null) return this.#all.get(filter);
		return this.#only?.filter === filter ? this.#only : undefined;
	}

	has(filter: string): boolean {
		return this.get(filter) !== undefined;
	}

	/** Adds it in the place of the one with the same filter. */
	set(subscription: Subscription): void {
		const { filter } = subscription;
		if (this.#all !== null) {
			this.#all.set(filter, subscription);
		} else if (this.#only === null || this.#only.filter === filter) {
			this.#only = subscription;
		} else {
			this.#all = new Map([
				[this.#only.filter, this.#only],
				[filter, subscription],
			]);
			this.#only = null;
		}
	}

	delete(filter: string): void {
		if (this.#all === null) {
			if (this.#only?.filter === filter) this.#only = null;
			return;
		}
		this.#all.delete(filter);
		if (this.#all.size > 1) return;
		this.#only = this.values()[0] ?? null;
		this.#all = null;
	}

	/** A copy, in the order in which they came. */
	values(): Subscription[] {
		if (this.#all !== null) return [...this.#all.values()];
		return this.#only === null ? [] : [this.#only];
	}
}
