import type { ApplicationMessage } from "../protocol/messages.ts";
import { CancellableEntries } from "./cancellable-entries.ts";
import { LooseTimer } from "./loose-timer.ts";
import { openRequest } from "./open-request.ts";
import { endsWaiting, Operation, OperationKind } from "./operation.ts";
import { startStoreWorker } from "./start-worker.ts";
import type { StoreCounters } from "./store.ts";
import type { StoreOptions } from "./store-options.ts";
import { StoreRefusal } from "./store-refusal.ts";
import { type AnyRequest, WorkerLink } from "./worker-link.ts";
import type { Answer, Notice, Opened, Replaced } from "./worker-messages.ts";
import { operationBytes, WriteBatch } from "./write-batch.ts";

/**
 * Collects operations into batches and hands them to the worker. Owns the batch that is
 * being collected and the worker's life. Main thread only.
 *
 * Group commit: a batch leaves at the end of the event-loop turn when the worker is
 * idle, so all writes of a turn share one transaction; while the worker is busy the next
 * batch collects. A read sends the batch ahead of itself when that would change what it
 * finds. Two kinds do not call for a commit of their own:
 *
 *     cancellable entry --+-- acknowledged --------------------------> never written
 *                         +-- commitIntervalMs, or its session
 *                             writes something behind it ------> batch --> worker
 *     removal (no ticket) --- with the next batch, else lazyIntervalMs --^
 */

/**
 * Cancellable entries that have waited this share of their time leave with an older one:
 * fewer would mean many small commits, more would write what is about to be acknowledged.
 */
const TAKEN_ALONG = 1 / 4;
/** Bytes of cancellable entries, and removals, that are enough for a commit. */
const MAX_CANCELLABLE_BYTES = 1024 * 1024;
const MAX_REMOVALS = 1000;
/** Such a batch leaves though the worker is busy: encoded it takes a fifth of the memory. */
const MOST_BATCH_BYTES = 2 * 1024 * 1024;
/** While nothing can be written, removals follow what waits in the worker this often. */
const TROUBLE_BATCH_MS = 1000;

export class CommitPipeline {
	onReplaced: ((replaced: readonly Replaced[]) => void) | null = null;
	readonly #options: StoreOptions;
	readonly #counters: StoreCounters;
	readonly #cancellable: CancellableEntries;
	readonly #entryTimer: LooseTimer;
	readonly #removalTimer: LooseTimer;
	readonly #troubleTimer: LooseTimer;
	#batch = new WriteBatch();
	/** The batch holds more than removals that may wait. */
	#isUrgent = false;
	#isScheduled = false;
	#lastOrder = 0;
	#lastMessage: ApplicationMessage | null = null;
	#cancellableBytes = 0;
	#link: WorkerLink | null = null;
	#closing: Promise<void> | null = null;
	/** Why the medium may not have what was committed. */
	#syncTrouble = "";

	constructor(options: StoreOptions, counters: StoreCounters) {
		this.#options = options;
		this.#counters = counters;
		const { clock } = options;
		this.#cancellable = new CancellableEntries(clock);
		this.#entryTimer = new LooseTimer(clock, () => this.#endWaiting());
		this.#removalTimer = new LooseTimer(clock, () => {
			if (!this.#batch.isEmpty) this.#hurry();
		});
		this.#troubleTimer = new LooseTimer(clock, () => this.#followTrouble());
	}

	/** @throws StoreRefusal */
	async open(): Promise<void> {
		const { path, maxBytes } = this.#options;
		try {
			await this.#openWorker(path, maxBytes ?? 0);
		} catch (error) {
			if (!(error instanceof StoreRefusal)) throw error;
			const bytes = this.#options.onRefused?.(error) ?? null;
			if (bytes === null) throw error;
			await this.#openWorker(":memory:", bytes);
		}
		this.#schedule();
	}

	close(): Promise<void> {
		this.#closing ??= this.#close();
		return this.#closing;
	}

	tell(notice: Notice): void {
		this.#link?.tell(notice);
	}

	/** Holds the operation's ticket until the commit. Does nothing once closed. */
	put(operation: Operation): void {
		if (this.#closing !== null) return;
		const { kind, key, sequence } = operation;
		if (kind === OperationKind.Dequeue || kind === OperationKind.MarkSent) {
			const entry = this.#cancellable.get(key, sequence);
			if (entry !== null && this.#change(entry, operation)) return;
		}
		this.#admit(operation);
		if (endsWaiting(kind)) this.#makeFirm(this.#cancellable.takeSession(key));
		this.#batch.add(operation);
		this.#hurry();
	}

	/** A message leaves its queue, and nobody waits for that. Does nothing once closed. */
	remove(key: number, sequence: number): void {
		if (this.#closing !== null) return;
		const entry = this.#cancellable.get(key, sequence);
		if (entry !== null) {
			this.#cancel(entry);
			return;
		}
		if (!this.#batch.extendRemoval(key, sequence)) {
			const operation = new Operation(OperationKind.Dequeue, key, null);
			operation.sequence = sequence;
			this.#admit(operation);
			this.#batch.add(operation);
		}
		if (this.#batch.count >= MAX_REMOVALS) this.#hurry();
		else if (!this.#isUrgent)
			this.#removalTimer.start(this.#options.lazyIntervalMs);
	}

	/** As {@link put}, for an entry that a removal may take back until it leaves. */
	putCancellable(operation: Operation): void {
		const { commitIntervalMs } = this.#options;
		if (commitIntervalMs === 0 || this.#closing !== null) {
			this.put(operation);
			return;
		}
		this.#admit(operation);
		this.#cancellable.add(operation);
		this.#cancellableBytes += operation.bytes;
		this.#entryTimer.start(commitIntervalMs);
		if (this.#cancellableBytes <= MAX_CANCELLABLE_BYTES) return;
		this.#makeFirm(this.#cancellable.takeOlderThan(0));
	}

	/** Asks the worker, behind everything that was put so far and concerns the answer. */
	async ask(request: AnyRequest): Promise<Answer> {
		if (this.#link === null) throw new Error("the store is not open");
		if (request.type === "queue")
			this.#makeFirm(this.#cancellable.takeSession(request.key));
		else if (request.type === "sessions")
			this.#makeFirm(this.#cancellable.takeOlderThan(0));
		if (this.#batch.concerns(request)) this.#dispatch(this.#link);
		return this.#link.ask(request);
	}

	/** Gives it its place in the order, and counts it as waiting. */
	#admit(operation: Operation): void {
		const { ticket, kind, message } = operation;
		operation.order = ++this.#lastOrder;
		ticket?.hold();
		const isRepeated =
			kind === OperationKind.Enqueue && message === this.#lastMessage;
		if (kind === OperationKind.Enqueue) this.#lastMessage = message;
		operation.bytes = operationBytes(operation, !isRepeated);
		this.#counters.pendingBytes += operation.bytes;
	}

	/**
	 * What an operation does to an entry that has not left yet.
	 * @returns false when it has to be written itself, behind the entry
	 */
	#change(entry: Operation, { phase, number, ticket }: Operation): boolean {
		this.#makeFirm(this.#cancellable.takeSession(entry.key));
		if (ticket !== null) return false;
		entry.phase = phase;
		entry.number = number;
		return true;
	}

	#cancel(entry: Operation): void {
		this.#cancellable.cancel(entry);
		this.#cancellableBytes -= entry.bytes;
		this.#counters.pendingBytes -= entry.bytes;
		this.#counters.cancelled++;
	}

	#makeFirm(entries: Iterable<Operation>): void {
		for (const entry of entries) {
			this.#cancellableBytes -= entry.bytes;
			this.#batch.add(entry);
			this.#hurry();
		}
	}

	/**
	 * The oldest cancellable entry has waited long enough. While nothing can be written it
	 * waits on: an acknowledgement is the only way out for it.
	 */
	#endWaiting(): void {
		const { commitIntervalMs, clock } = this.#options;
		const { oldestMs } = this.#cancellable;
		if (oldestMs === Number.POSITIVE_INFINITY || this.#counters.isBlocked)
			return;
		const leftMs = oldestMs + commitIntervalMs - clock.monotonicMs();
		if (leftMs > 0) {
			this.#entryTimer.start(leftMs);
			return;
		}
		const ms = commitIntervalMs * TAKEN_ALONG;
		this.#makeFirm(this.#cancellable.takeOlderThan(ms));
		this.#endWaiting();
	}

	/** The worker looks for removals in all that it could not write. */
	#followTrouble(): void {
		if (this.#counters.trouble === "" || this.#link === null) return;
		this.#dispatch(this.#link);
		this.#troubleTimer.start(TROUBLE_BATCH_MS);
	}

	#hurry(): void {
		this.#isUrgent = true;
		const isLarge = this.#batch.bytes > MOST_BATCH_BYTES;
		if (isLarge && this.#link !== null) this.#dispatch(this.#link);
		else this.#schedule();
	}

	async #openWorker(path: string, maxBytes: number): Promise<void> {
		const link = this.#startWorker();
		try {
			const request = openRequest(this.#options, path, maxBytes);
			const opened = (await link.ask(request)) as Opened;
			const { notice, ...counts } = opened;
			Object.assign(this.#counters, counts);
			if (notice !== "") this.#options.onNotice?.(notice);
		} catch (error) {
			await link.end();
			throw error;
		}
		this.#link = link;
	}

	#startWorker(): WorkerLink {
		const { workerFactory, onFatal } = this.#options;
		return new WorkerLink((workerFactory ?? startStoreWorker)(), {
			committed: (batch, reply) => {
				const { retainedMessages, retainedBytes, pages, replaced } = reply;
				Object.assign(this.#counters, {
					retainedMessages,
					retainedBytes,
					pages,
				});
				if (replaced.length > 0) this.onReplaced?.(replaced);
				this.#handleCommitted(batch);
			},
			trouble: (words) => this.#handleTrouble(words),
			synced: (trouble) => this.#handleSynced(trouble),
			died: onFatal,
		});
	}

	#schedule(): void {
		if (this.#isScheduled || !this.#isUrgent || this.#batch.isEmpty) return;
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
		this.#isUrgent = false;
		this.#lastMessage = null;
		link.send(batch);
		this.#counters.batchesInFlight = link.inFlight.length;
	}

	#handleCommitted(batch: WriteBatch): void {
		this.#counters.commits++;
		this.#counters.operations += batch.count;
		this.#counters.pendingBytes -= batch.bytes;
		this.#counters.batchesInFlight = this.#link?.inFlight.length ?? 0;
		batch.settle();
		this.#schedule();
	}

	#handleTrouble(words: string): void {
		this.#counters.trouble = words;
		this.#counters.isBlocked = words !== "";
		if (words === "") this.#endWaiting();
		else this.#troubleTimer.start(TROUBLE_BATCH_MS);
		this.#options.onTrouble?.(words);
	}

	#handleSynced(trouble: string): void {
		if (trouble === "") this.#counters.syncs++;
		const before = this.#syncTrouble;
		if (trouble === before) return;
		this.#syncTrouble = trouble;
		if (trouble === "" && this.#counters.trouble !== before) return;
		this.#counters.trouble = trouble;
		this.#options.onTrouble?.(trouble);
	}

	async #close(): Promise<void> {
		const link = this.#link;
		if (link === null) return;
		this.#makeFirm(this.#cancellable.takeOlderThan(0));
		this.#entryTimer.stop();
		this.#removalTimer.stop();
		this.#troubleTimer.stop();
		this.#dispatch(link);
		try {
			await link.ask({ type: "close" });
		} finally {
			this.#link = null;
			await link.end();
		}
	}
}
