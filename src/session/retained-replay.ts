/**
 * Retained messages for a new subscription: a walk over the store, paced by the
 * client's window. At most one page is in memory; it is not counted as queue and
 * never dropped by queue limits. It reads nothing before its turn comes.
 */
import { matches } from "../protocol/topic.ts";
import type { RetainedRecord, RetainedScan, Store } from "../store/store.ts";
import type { Subscription } from "./subscription.ts";

/** Of what a queue's head may hold: each page asks another thread, which costs as much as ten messages. */
const HEADS_PER_PAGE = 3;
/** What a message takes beside its bytes. */
const RECORD_BYTES = 250;
/** Topics published since the walk began and already delivered; bounds the set. */
const MAX_SKIPPED_TOPICS = 10_000;

export class RetainedReplay {
	readonly subscription: Subscription;
	isLoading = false;
	isDone = false;
	/** Nothing was sent yet: begun anew, it is the same. */
	isUntouched = true;
	readonly #store: Store;
	readonly #skipped = new Set<string>();
	#scan: RetainedScan | null = null;
	/** Where the walk goes on after an interruption; null at the beginning. */
	#after: string | null = null;
	#page: RetainedRecord[] = [];
	#next = 0;
	#isPageInOrder = false;
	#charged = 0;

	constructor(subscription: Subscription, store: Store) {
		this.subscription = subscription;
		this.#store = store;
	}

	get needsPage(): boolean {
		return !this.isDone && !this.isLoading && this.#next >= this.#page.length;
	}

	/** The topic was just delivered live: a value read earlier would be older. */
	skip(topic: string): void {
		if (this.#scan === null || this.#skipped.size >= MAX_SKIPPED_TOPICS) return;
		if (matches(this.subscription.plainFilter, topic)) this.#skipped.add(topic);
	}

	async loadPage(): Promise<void> {
		this.isLoading = true;
		this.#scan ??= this.#store.scanRetained(
			this.subscription.plainFilter,
			this.#after,
		);
		const scan = this.#scan;
		const { head } = this.subscription.session.context;
		const page = await scan.next(HEADS_PER_PAGE * head.messages, head.bytes);
		if (this.#scan !== scan) return; // interrupted meanwhile
		this.#usePage(page);
		this.#isPageInOrder = scan.isInOrder;
		this.isLoading = false;
		if (page.length === 0) this.close();
	}

	/** The next one that has not expired [MQTT-3.3.2-5]. */
	take(wallMs: number): RetainedRecord | undefined {
		while (this.#next < this.#page.length) {
			const record = this.#page[this.#next++];
			if (record === undefined) break;
			const { topic } = record.message;
			if (this.#isPageInOrder) this.#after = topic;
			const { expiresAtWallMs } = record;
			const isExpired = expiresAtWallMs !== 0 && expiresAtWallMs <= wallMs;
			if (isExpired || this.#skipped.has(topic)) continue;
			this.isUntouched = false;
			return record;
		}
		return undefined;
	}

	/** The connection is lost: gives up all memory and remembers the place. */
	interrupt(): void {
		this.#scan?.close();
		this.#scan = null;
		this.#usePage([]);
		this.#skipped.clear();
		this.isLoading = false;
	}

	close(): void {
		this.interrupt();
		this.isDone = true;
	}

	#usePage(page: RetainedRecord[]): void {
		const { retainedBudget } = this.subscription.session.context;
		retainedBudget.release(this.#charged);
		this.#charged = 0;
		for (const { message } of page) {
			const { topic, payload, properties } = message;
			this.#charged +=
				RECORD_BYTES + topic.length + payload.length + properties.length;
		}
		retainedBudget.charge(this.#charged);
		this.#page = page;
		this.#next = 0;
	}
}
