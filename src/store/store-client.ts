import type { MainThreadWatch } from "../platform/loop-watch.ts";
import type { ApplicationMessage } from "../protocol/messages.ts";
import { CommitPipeline } from "./commit-pipeline.ts";
import type { CommitTicket } from "./commit-ticket.ts";
import { ownWill, toBuffer } from "./crossed-bytes.ts";
import { LaneClient } from "./lane-client.ts";
import { LazyRetained } from "./lazy-retained.ts";
import {
	checkKey,
	enqueueOperation,
	Operation,
	OperationKind,
} from "./operation.ts";
import { readQueuePage } from "./page-codec.ts";
import { RetainedCursor } from "./retained-cursor.ts";
import {
	DeliveryPhase,
	type QueueEntry,
	type QueuePage,
	type QueuePart,
	type RetainedScan,
	type SavedSession,
	type SessionRecord,
	type Store,
	StoreCounters,
	type SubscriptionRecord,
} from "./store.ts";
import type { StoreOptions } from "./store-options.ts";
import { packOptions } from "./subscription-options.ts";
import type { RetainedPage, Saved } from "./worker-messages.ts";
import type { WriteRule } from "./write-rules.ts";

export type { StoreOptions } from "./store-options.ts";

/**
 * The store as the broker sees it: turns each call into an operation or a request for
 * the pipeline to the worker. Owns the lazy retained writes. Main thread only.
 */

export class StoreClient implements Store {
	readonly counters = new StoreCounters();
	onTroubleChanged: (() => void) | null = null;
	readonly lanes: LaneClient;
	readonly #options: StoreOptions;
	readonly #pipeline: CommitPipeline;
	readonly #lazy: LazyRetained;

	constructor(options: StoreOptions) {
		this.#options = options;
		const onTrouble = (words: string) => {
			options.onTrouble?.(words);
			this.onTroubleChanged?.();
		};
		const pipeline = new CommitPipeline(
			{ ...options, onTrouble },
			this.counters,
		);
		this.#pipeline = pipeline;
		this.lanes = new LaneClient(pipeline);
		pipeline.onReplaced = (replaced) => this.lanes.tell(replaced);
		this.#lazy = new LazyRetained({
			clock: options.clock,
			intervalMs: options.lazyIntervalMs,
			rules: options.writeRules ?? [],
			counters: this.counters,
			write: (operation) => this.#writeRetained(operation, true),
		});
	}

	open(): Promise<void> {
		return this.#pipeline.open();
	}

	/** Harmless when called again. @throws Error when something could not be written */
	close(): Promise<void> {
		this.#lazy.flush();
		return this.#pipeline.close();
	}

	/** A failing commit is tried again at once. */
	setMaxBytes(maxBytes: number): void {
		this.#pipeline.tell({ type: "limit", maxBytes });
	}

	setWriteRules(rules: readonly WriteRule[]): void {
		this.#lazy.setRules(rules);
	}

	putSession(record: SessionRecord, ticket: CommitTicket | null): void {
		const { key, clientId, username, expirySeconds, disconnectedAtMs, will } =
			record;
		checkKey(key);
		const operation = new Operation(OperationKind.PutSession, key, ticket);
		// A copy: the record may be a live session that changes before the batch leaves.
		operation.session = {
			key,
			clientId,
			username,
			expirySeconds,
			disconnectedAtMs,
			will,
		};
		this.#pipeline.put(operation);
	}

	deleteSession(key: number, ticket: CommitTicket | null): void {
		this.lanes.deleteAllOf(key);
		this.#pipeline.put(new Operation(OperationKind.DeleteSession, key, ticket));
	}

	putSubscription(
		key: number,
		record: SubscriptionRecord,
		ticket: CommitTicket | null,
	): void {
		const operation = new Operation(OperationKind.PutSubscription, key, ticket);
		operation.text = record.filter;
		operation.flags = packOptions(record);
		operation.number = record.identifier;
		this.#pipeline.put(operation);
	}

	deleteSubscription(
		key: number,
		filter: string,
		ticket: CommitTicket | null,
	): void {
		const kind = OperationKind.DeleteSubscription;
		const operation = new Operation(kind, key, ticket);
		operation.text = filter;
		this.#pipeline.put(operation);
	}

	putReceivedId(
		key: number,
		packetId: number,
		ticket: CommitTicket | null,
	): void {
		const operation = new Operation(OperationKind.PutReceivedId, key, ticket);
		operation.number = packetId;
		this.#pipeline.put(operation);
	}

	deleteReceivedId(
		key: number,
		packetId: number,
		ticket: CommitTicket | null,
	): void {
		const kind = OperationKind.DeleteReceivedId;
		const operation = new Operation(kind, key, ticket);
		operation.number = packetId;
		this.#pipeline.put(operation);
	}

	enqueue(
		key: number,
		sequence: number,
		message: ApplicationMessage,
		entry: QueueEntry,
		expiresAtWallMs: number,
		ticket: CommitTicket | null,
		isCancellable = false,
	): void {
		const kind = OperationKind.Enqueue;
		const operation = enqueueOperation(kind, key, sequence, ticket);
		operation.message = message;
		operation.takeEntry(entry, expiresAtWallMs);
		if (isCancellable) this.#pipeline.putCancellable(operation);
		else this.#pipeline.put(operation);
	}

	markSent(
		key: number,
		sequence: number,
		packetId: number,
		ticket: CommitTicket | null,
	): void {
		const operation = new Operation(OperationKind.MarkSent, key, ticket);
		operation.sequence = sequence;
		operation.number = packetId;
		operation.phase = DeliveryPhase.Sent;
		this.#pipeline.put(operation);
	}

	markReleased(
		key: number,
		sequence: number,
		ticket: CommitTicket | null,
	): void {
		const operation = new Operation(OperationKind.MarkReleased, key, ticket);
		operation.sequence = sequence;
		this.#pipeline.put(operation);
	}

	dequeue(key: number, sequence: number, ticket: CommitTicket | null): void {
		if (ticket === null) {
			this.#pipeline.remove(key, sequence);
			return;
		}
		const operation = new Operation(OperationKind.Dequeue, key, ticket);
		operation.sequence = sequence;
		this.#pipeline.put(operation);
	}

	putRetained(
		message: ApplicationMessage,
		expiresAtWallMs: number,
		lazy: boolean,
		ticket: CommitTicket | null,
	): void {
		const operation = new Operation(OperationKind.PutRetained, 0, ticket);
		operation.text = message.topic;
		operation.message = message;
		operation.expiresAtWallMs = expiresAtWallMs;
		this.#putRetained(operation, lazy);
	}

	deleteRetained(
		topic: string,
		lazy: boolean,
		ticket: CommitTicket | null,
	): void {
		const operation = new Operation(OperationKind.DeleteRetained, 0, ticket);
		operation.text = topic;
		this.#putRetained(operation, lazy);
	}

	async readSessions(after: number, limit: number): Promise<SavedSession[]> {
		const answer = await this.#pipeline.ask({ type: "sessions", after, limit });
		const sessions = answer as SavedSession[];
		this.lanes.noteSaved(sessions);
		return sessions.map((session) => ({
			...session,
			will: session.will === null ? null : ownWill(session.will),
		}));
	}

	async readQueue(
		key: number,
		after: number,
		maxMessages: number,
		maxBytes: number,
		part: QueuePart,
	): Promise<QueuePage> {
		const answer = await this.#pipeline.ask({
			type: "queue",
			key,
			topic: null,
			after,
			maxMessages,
			maxBytes,
			part,
		});
		return readQueuePage(answer as Uint8Array);
	}

	scanRetained(filter: string, after: string | null): RetainedScan {
		const { clock } = this.#options;
		const overlay = this.#lazy.snapshot(filter, after, clock.wallMs());
		return new RetainedCursor(
			overlay,
			after,
			(position, maxMessages, maxBytes) =>
				this.#pipeline.ask({
					type: "retained",
					filter,
					after: position,
					maxMessages,
					maxBytes,
					wallMs: clock.wallMs(),
				}) as Promise<RetainedPage>,
		);
	}

	barrier(): Promise<unknown> {
		return this.#pipeline.ask({ type: "barrier" });
	}

	collectGarbage(): void {
		this.#pipeline.tell({ type: "collect" });
	}

	watchMainThread(watch: MainThreadWatch): void {
		this.#pipeline.tell({ type: "watch", watch });
	}

	/** With what waits to be written lazily. */
	async backup(target: string): Promise<void> {
		this.#lazy.flush();
		await this.#pipeline.ask({ type: "backup", target });
	}

	/** With what waits to be written lazily. */
	async saveCheckpoint(): Promise<Saved | null> {
		this.#lazy.flush();
		return (await this.#pipeline.ask({ type: "save" })) as Saved | null;
	}

	async readValue(space: string, name: string): Promise<Buffer | null> {
		const answer = await this.#pipeline.ask({ type: "value", space, name });
		return answer === null ? null : toBuffer(answer as Uint8Array);
	}

	putValue(
		space: string,
		name: string,
		value: Buffer | null,
		ticket: CommitTicket | null,
	): void {
		const operation = new Operation(OperationKind.PutValue, 0, ticket);
		operation.text = space;
		operation.name = name;
		operation.value = value;
		this.#pipeline.put(operation);
	}

	#putRetained(operation: Operation, lazy: boolean): void {
		if (lazy) {
			this.#lazy.put(operation);
			return;
		}
		this.#lazy.forget(operation.text ?? "", operation.message === null);
		this.#writeRetained(operation, false);
	}

	#writeRetained(operation: Operation, isLazy: boolean): void {
		this.counters.topicWrites.note(operation.text ?? "", isLazy);
		this.#pipeline.put(operation);
	}
}
