import type { Clock } from "../platform/clock.ts";
import type { Operation } from "./operation.ts";
import { findSqliteAddon, startStoreWorker } from "./start-worker.ts";
import type { StoreCounters } from "./store.ts";
import { type AnyRequest, WorkerLink } from "./worker-link.ts";
import type { Answer, Opened, WorkerLike } from "./worker-messages.ts";
import { WriteBatch } from "./write-batch.ts";

/**
 * Collects operations into batches and hands them to the worker. Owns the batch that is
 * being collected and the worker's life. Main thread only.
 *
 * Group commit: a batch leaves at the end of the event-loop turn when the worker is
 * idle, so all writes of a turn share one transaction; while the worker is busy the next
 * batch collects. A read sends the batch ahead of itself.
 */

export interface StoreOptions {
	/** The database file; `:memory:` for none. */
	readonly path: string;
	readonly clock: Clock;
	/** How long a cancellable entry may wait for its acknowledgement, ms. No entry is cancellable yet. */
	readonly commitIntervalMs: number;
	/** How long a lazy retained write may wait, ms. */
	readonly lazyIntervalMs: number;
	/** `store.max_bytes`: the file's size at most; 0 or absent for no limit. */
	readonly maxBytes?: number;
	/** Path of the SQLite addon, when it is not where the package has it. */
	readonly nativeBinding?: string;
	/** The worker died. Nothing can be stored any more: the caller ends the process. */
	onFatal(error: Error): void;
	/** Commits fail; told once and again when the reason changes. Empty when well again. */
	onTrouble(words: string): void;
	/** What a person should know about how the database was opened. */
	onNotice?(words: string): void;
	/** Stands in for the store's own worker thread. */
	workerFactory?(): WorkerLike;
}

export class CommitPipeline {
	readonly #options: StoreOptions;
	readonly #counters: StoreCounters;
	#batch = new WriteBatch();
	#isScheduled = false;
	#link: WorkerLink | null = null;
	#closing: Promise<void> | null = null;

	constructor(options: StoreOptions, counters: StoreCounters) {
		this.#options = options;
		this.#counters = counters;
	}

	async open(): Promise<void> {
		const { path, clock, maxBytes, nativeBinding } = this.#options;
		const link = this.#startWorker();
		try {
			const opened = (await link.ask({
				type: "open",
				path,
				nativeBinding: nativeBinding ?? findSqliteAddon(),
				maxBytes: maxBytes ?? 0,
				wallMs: clock.wallMs(),
			})) as Opened;
			this.#counters.retainedMessages = opened.retainedMessages;
			this.#counters.retainedBytes = opened.retainedBytes;
			if (opened.notice !== "") this.#options.onNotice?.(opened.notice);
		} catch (error) {
			await link.end();
			throw error;
		}
		this.#link = link;
		this.#schedule();
	}

	close(): Promise<void> {
		this.#closing ??= this.#close();
		return this.#closing;
	}

	setMaxBytes(maxBytes: number): void {
		this.#link?.limit({ type: "limit", maxBytes });
	}

	/** Holds the operation's ticket until the commit. Does nothing once closed. */
	put(operation: Operation): void {
		if (this.#closing !== null) return;
		operation.ticket?.hold();
		this.#counters.pendingBytes += this.#batch.add(operation);
		this.#schedule();
	}

	/** Asks the worker, behind everything that was put so far. */
	async ask(request: AnyRequest): Promise<Answer> {
		if (this.#link === null) throw new Error("the store is not open");
		this.#dispatch(this.#link);
		return this.#link.ask(request);
	}

	#startWorker(): WorkerLink {
		const { workerFactory, onFatal } = this.#options;
		return new WorkerLink((workerFactory ?? startStoreWorker)(), {
			committed: (batch, retainedMessages, retainedBytes) => {
				this.#counters.retainedMessages = retainedMessages;
				this.#counters.retainedBytes = retainedBytes;
				this.#handleCommitted(batch);
			},
			trouble: (words) => {
				this.#counters.trouble = words;
				this.#options.onTrouble(words);
			},
			died: onFatal,
		});
	}

	#schedule(): void {
		if (this.#isScheduled || this.#batch.isEmpty) return;
		if (this.#link === null || this.#link.inFlight.length > 0) return;
		this.#isScheduled = true;
		setImmediate(() => {
			this.#isScheduled = false;
			if (this.#link !== null) this.#dispatch(this.#link);
		});
	}

	#dispatch(link: WorkerLink): void {
		if (this.#batch.isEmpty) return;
		const batch = this.#batch;
		this.#batch = new WriteBatch();
		link.send(batch);
		this.#counters.batchesInFlight = link.inFlight.length;
	}

	#handleCommitted(batch: WriteBatch): void {
		this.#counters.commits++;
		this.#counters.operations += batch.operations.length;
		this.#counters.pendingBytes -= batch.bytes;
		this.#counters.batchesInFlight = this.#link?.inFlight.length ?? 0;
		batch.settle();
		this.#schedule();
	}

	async #close(): Promise<void> {
		const link = this.#link;
		if (link === null) return;
		this.#dispatch(link);
		try {
			await link.ask({ type: "close" });
		} finally {
			this.#link = null;
			await link.end();
		}
	}
}
