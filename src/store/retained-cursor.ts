import type { OverlaySnapshot } from "./lazy-retained.ts";
import { messageBytes } from "./message-codec.ts";
import { readRetainedPage } from "./page-codec.ts";
import type { RetainedRecord, RetainedScan } from "./store.ts";
import type { RetainedPage } from "./worker-messages.ts";

/** Asks the worker for the page behind a position; null for the first. */
export type FetchRetained = (
	after: string | null,
	maxMessages: number,
	maxBytes: number,
) => Promise<RetainedPage>;

/**
 * A walk over retained messages: first those that are not in the database yet, then
 * the database's, in topic order, without those. Main thread only; the worker keeps
 * nothing between two pages.
 */
export class RetainedCursor implements RetainedScan {
	readonly #overlay: OverlaySnapshot;
	readonly #fetch: FetchRetained;
	#taken = 0;
	#position: string | null;
	#isOver = false;
	isInOrder = false;

	/** @param after where the walk through the database begins; null for the beginning */
	constructor(
		overlay: OverlaySnapshot,
		after: string | null,
		fetch: FetchRetained,
	) {
		this.#overlay = overlay;
		this.#position = after;
		this.#fetch = fetch;
	}

	async next(maxMessages: number, maxBytes: number): Promise<RetainedRecord[]> {
		const page = this.#takeFromOverlay(maxMessages, maxBytes);
		this.isInOrder = page.length === 0;
		while (page.length === 0 && !this.#isOver) {
			const fetched = await this.#fetch(this.#position, maxMessages, maxBytes);
			this.#position = fetched.position;
			if (fetched.isEnd) this.#isOver = true;
			for (const record of readRetainedPage(fetched.page))
				if (!this.#overlay.topics.has(record.message.topic)) page.push(record);
		}
		return page;
	}

	close(): void {
		this.#isOver = true;
		this.#taken = this.#overlay.records.length;
	}

	#takeFromOverlay(maxMessages: number, maxBytes: number): RetainedRecord[] {
		const page: RetainedRecord[] = [];
		let bytes = 0;
		while (page.length < maxMessages) {
			const record = this.#overlay.records[this.#taken];
			if (record === undefined) break;
			bytes += messageBytes(record.message);
			if (page.length > 0 && bytes > maxBytes) break;
			page.push(record);
			this.#taken++;
		}
		return page;
	}
}
