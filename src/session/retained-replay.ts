/**
 * Retained messages for a new subscription: a walk over the store, paced by the
 * client's window. At most one page is in memory; it is not counted as queue and
 * never dropped by queue limits.
 */
import { matches } from "../protocol/topic.ts";
import type { RetainedRecord, RetainedScan, Store } from "../store/store.ts";
import type { Subscription } from "./subscription.ts";

const PAGE_MESSAGES = 50;
const PAGE_BYTES = 128 * 1024;
/** Topics published since the walk began and already delivered; bounds the set. */
const MAX_SKIPPED_TOPICS = 10_000;

export class RetainedReplay {
	readonly subscription: Subscription;
	isLoading = false;
	isDone = false;
	readonly #scan: RetainedScan;
	readonly #skipped = new Set<string>();
	#page: RetainedRecord[] = [];
	#next = 0;

	constructor(subscription: Subscription, store: Store) {
		this.subscription = subscription;
		this.#scan = store.scanRetained(subscription.plainFilter);
	}

	get needsPage(): boolean {
		return !this.isDone && !this.isLoading && this.#next >= this.#page.length;
	}

	/** The topic was just delivered live: the stored value would be older. */
	skip(topic: string): void {
		if (this.#skipped.size >= MAX_SKIPPED_TOPICS) return;
		if (matches(this.subscription.plainFilter, topic)) this.#skipped.add(topic);
	}

	async loadPage(): Promise<void> {
		this.isLoading = true;
		this.#page = await this.#scan.next(PAGE_MESSAGES, PAGE_BYTES);
		this.#next = 0;
		this.isLoading = false;
		if (this.#page.length === 0) this.isDone = true;
	}

	take(): RetainedRecord | undefined {
		while (this.#next < this.#page.length) {
			const record = this.#page[this.#next++];
			if (record === undefined) break;
			if (!this.#skipped.has(record.message.topic)) return record;
		}
		return undefined;
	}

	close(): void {
		this.isDone = true;
		this.#page = [];
		this.#scan.close();
	}
}
