import type { ApplicationMessage } from "../protocol/messages.ts";
import type { CommitPipeline } from "./commit-pipeline.ts";
import type { CommitTicket } from "./commit-ticket.ts";
import type { LaneRecord, LaneStore } from "./lane.ts";
import {
	checkKey,
	enqueueOperation,
	Operation,
	OperationKind,
} from "./operation.ts";
import { readQueuePage } from "./page-codec.ts";
import {
	type QueueEntry,
	type QueuePage,
	QueuePart,
	type SavedSession,
} from "./store.ts";
import type { Replaced } from "./worker-messages.ts";

/** The lanes as the broker sees them; see {@link StoreClient}. Main thread only. */
export class LaneClient implements LaneStore {
	onReplaced: LaneStore["onReplaced"] = null;
	readonly #pipeline: CommitPipeline;
	/** By session: entries of its lanes may be waiting when it ends. */
	readonly #lanes = new Map<number, Set<number>>();

	constructor(pipeline: CommitPipeline) {
		this.#pipeline = pipeline;
	}

	put(record: LaneRecord, ticket: CommitTicket | null): void {
		const { key, session, name, isByTopic } = record;
		checkKey(key);
		this.#note(session, key);
		const operation = new Operation(OperationKind.PutLane, key, ticket);
		operation.number = session;
		operation.text = name;
		operation.flags = isByTopic ? 1 : 0;
		this.#pipeline.put(operation);
	}

	delete(key: number, ticket: CommitTicket | null): void {
		for (const lanes of this.#lanes.values()) lanes.delete(key);
		this.#pipeline.put(new Operation(OperationKind.DeleteLane, key, ticket));
	}

	/** The session ends: its lanes are named, so that nothing of them is left behind. */
	deleteAllOf(session: number): void {
		const lanes = this.#lanes.get(session);
		if (lanes === undefined) return;
		this.#lanes.delete(session);
		for (const key of lanes) this.delete(key, null);
	}

	noteSaved(sessions: readonly SavedSession[]): void {
		for (const { key, lanes } of sessions)
			for (const lane of lanes) this.#note(key, lane.key);
	}

	replace(
		key: number,
		sequence: number,
		message: ApplicationMessage,
		entry: QueueEntry,
		expiresAtWallMs: number,
		ticket: CommitTicket | null,
	): void {
		const kind = OperationKind.Replace;
		const operation = enqueueOperation(kind, key, sequence, ticket);
		operation.message = message;
		operation.takeEntry(entry, expiresAtWallMs);
		this.#pipeline.put(operation);
	}

	/** What a commit has replaced. */
	tell(replaced: readonly Replaced[]): void {
		for (const [key, sequence, bytes] of replaced)
			this.onReplaced?.(key, sequence, bytes);
	}

	async readTopic(
		key: number,
		topic: string,
		after: number,
		maxMessages: number,
		maxBytes: number,
	): Promise<QueuePage> {
		const answer = await this.#pipeline.ask({
			type: "queue",
			key,
			topic,
			after,
			maxMessages,
			maxBytes,
			part: QueuePart.All,
		});
		return readQueuePage(answer as Uint8Array);
	}

	#note(session: number, key: number): void {
		const lanes = this.#lanes.get(session);
		if (lanes === undefined) this.#lanes.set(session, new Set([key]));
		else lanes.add(key);
	}
}
