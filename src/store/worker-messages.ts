import type { MainThreadWatch } from "../platform/loop-watch.ts";
import type { PageCounts } from "./page-counts.ts";
import type { QueuePart, SavedSession } from "./store.ts";
import type { RefusalKind } from "./store-refusal.ts";

/** What the main thread and the worker say to each other. Types only. */

export interface OpenRequest {
	readonly type: "open";
	readonly id: number;
	readonly path: string;
	/** `state = ram+checkpoint`: the file in data_dir that it is saved to; null for none. */
	readonly checkpoint: string | null;
	readonly nativeBinding: string | null;
	/** 0 for no limit. */
	readonly maxBytes: number;
	readonly wallMs: number;
	/** `relaxed`: how long a commit may take to reach the medium; null for `strict`. */
	readonly syncIntervalMs: number | null;
	/** Size of the file that is removed when the disk is full; 0 for none. */
	readonly ballastBytes: number;
	/** When it is made after the start. */
	readonly ballastDelayMs: number;
	/** The process before did not stop in order. */
	readonly afterCrash: boolean;
	/** Moves the state aside and begins with none. */
	readonly resetState: boolean;
	/** The ceiling of the thread's heap: it may have begun before that was known. */
	readonly heapMegabytes: number;
}

export interface CommitRequest {
	readonly type: "commit";
	/** Counts up from 1; batches are committed in this order. */
	readonly batch: number;
	readonly memory: ArrayBuffer;
	readonly length: number;
}

export interface LimitRequest {
	readonly type: "limit";
	readonly maxBytes: number;
}

export interface CloseRequest {
	readonly type: "close";
	readonly id: number;
}

/** Answered when everything before it has been done. */
export interface BarrierRequest {
	readonly type: "barrier";
	readonly id: number;
}

/** For the thread, not for the database. */
export interface WatchRequest {
	readonly type: "watch";
	readonly watch: MainThreadWatch;
}

/** For the thread: it gives back the memory that only its start needed. */
export interface CollectRequest {
	readonly type: "collect";
}

/** Asks for a copy of the open database, made while commits go on. */
export interface BackupRequest {
	readonly type: "backup";
	readonly id: number;
	readonly target: string;
}

/** Asks for a checkpoint, when anything was committed since the last; see ram-state.ts. */
export interface SaveRequest {
	readonly type: "save";
	readonly id: number;
}

/** What is done with a database that no broker has open; see state-tools.ts. */
export interface ToolRequest {
	readonly type: "tool";
	readonly id: number;
	readonly tool:
		| "describe"
		| "check"
		| "hold"
		| "release"
		| "restore"
		| "reset";
	readonly path: string;
	/** For `restore`: the copy that is to take the place; it is gone afterwards. */
	readonly source: string;
	/** Every commit was: a gap in the log is damage, not a power cut. */
	readonly isSynced: boolean;
	readonly nativeBinding: string | null;
	readonly wallMs: number;
}

export type ReadRequest =
	| {
			readonly type: "sessions";
			readonly id: number;
			readonly after: number;
			readonly limit: number;
	  }
	| {
			readonly type: "queue";
			readonly id: number;
			readonly key: number;
			/** Only rows of this topic, in a lane by topic; null for all. */
			readonly topic: string | null;
			readonly after: number;
			readonly maxMessages: number;
			readonly maxBytes: number;
			readonly part: QueuePart;
	  }
	| {
			readonly type: "retained";
			readonly id: number;
			readonly filter: string;
			/** The position where the page before ended; null for the first. */
			readonly after: string | null;
			readonly maxMessages: number;
			readonly maxBytes: number;
			readonly wallMs: number;
	  }
	| {
			readonly type: "value";
			readonly id: number;
			readonly space: string;
			readonly name: string;
	  };

/** All that concerns the database. */
export type EngineRequest =
	| OpenRequest
	| CommitRequest
	| LimitRequest
	| CloseRequest
	| BarrierRequest
	| BackupRequest
	| SaveRequest
	| ReadRequest;

export type WorkerRequest =
	| EngineRequest
	| WatchRequest
	| CollectRequest
	| ToolRequest;

/** What nobody waits for an answer to. */
export type Notice = LimitRequest | WatchRequest | CollectRequest;

/** What is in a database, as `broker state info` says it. */
export interface StateDescription {
	/** Of the running broker: the file; null when the state is in memory only. */
	readonly path?: string | null;
	/** Version of its tables. */
	readonly format: number;
	readonly bytes: number;
	readonly logBytes: number;
	/** Inside the file, for what comes next; a running broker does not count them. */
	readonly unusedBytes?: number;
	readonly sessions: number;
	readonly subscriptions: number;
	readonly queuedMessages: number;
	readonly queuedBytes: number;
	readonly retainedMessages: number;
	readonly retainedBytes: number;
	readonly largest: readonly {
		readonly clientId: string;
		readonly queuedMessages: number;
		readonly queuedBytes: number;
	}[];
}

export interface StateCheck {
	/** In words; none when the database is sound. */
	readonly problems: readonly string[];
}

/** A text says where something was moved to. */
export type ToolAnswer = StateDescription | StateCheck | string | null;

/** One page of a walk over retained messages. */
export interface RetainedPage {
	readonly page: Uint8Array;
	readonly position: string | null;
	readonly isEnd: boolean;
}

export interface Opened {
	/** What a person should know about how the file was opened; empty when nothing. */
	readonly notice: string;
	readonly retainedMessages: number;
	readonly retainedBytes: number;
	/** What earlier processes have written, as far as they could note it. */
	readonly earlierBytes: number;
	/** `state = ram+checkpoint`: the process before has left it in memory. */
	readonly isLeft: boolean;
}

export interface Saved {
	/** Of the checkpoint. */
	readonly bytes: number;
	/** It was written; otherwise nothing had changed. */
	readonly isNew: boolean;
	/** What a person should know about it; empty when nothing. */
	readonly notice: string;
}

export type Answer =
	| Opened
	| Saved
	| readonly SavedSession[]
	| RetainedPage
	| ToolAnswer
	| Uint8Array
	| null;

/** A row that a {@link OperationKind.Replace} took out. */
export type Replaced = readonly [
	queue: number,
	sequence: number,
	bytes: number,
];

export interface CommittedReply {
	readonly type: "committed";
	readonly batch: number;
	/** Given back for the next batch. */
	readonly memory: ArrayBuffer;
	readonly retainedMessages: number;
	readonly retainedBytes: number;
	/** Written since the start. */
	readonly pages: PageCounts;
	/** Nearly always none. */
	readonly replaced: readonly Replaced[];
}

export type WorkerReply =
	| {
			readonly type: "answer";
			readonly id: number;
			readonly answer: Answer;
	  }
	| {
			readonly type: "refusal";
			readonly id: number;
			readonly words: string;
			/** Of a request to open only. */
			readonly kind?: RefusalKind;
	  }
	| CommittedReply
	| {
			readonly type: "trouble";
			/** Empty when well again. */
			readonly words: string;
	  }
	| {
			readonly type: "synced";
			/** Why the medium may not have what was committed; empty when it has. */
			readonly trouble: string;
	  };

/** What {@link WorkerLink} needs of a worker thread. */
export interface WorkerLike {
	postMessage(request: WorkerRequest, transfer?: ArrayBuffer[]): void;
	on(event: "message", listener: (reply: WorkerReply) => void): unknown;
	on(event: "error", listener: (error: Error) => void): unknown;
	on(event: "exit", listener: (exitCode: number) => void): unknown;
	terminate(): Promise<unknown>;
}
