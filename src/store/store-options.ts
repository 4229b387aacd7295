/** What a store is opened with. */
import type { Clock } from "../platform/clock.ts";
import type { StoreRefusal } from "./store-refusal.ts";
import type { WorkerLike } from "./worker-messages.ts";
import type { WriteRule } from "./write-rules.ts";

export interface StoreOptions {
	/** The database file; `:memory:` for none. */
	readonly path: string;
	/** `state = ram+checkpoint`: {@link path} is in memory, and is saved to this file. */
	readonly checkpoint?: string;
	readonly clock: Clock;
	/** How long a cancellable entry may wait for its acknowledgement, ms; 0: it does not wait. */
	readonly commitIntervalMs: number;
	/** How long a lazy retained write, or a removal, may wait, ms. */
	readonly lazyIntervalMs: number;
	/** Which lazy retained writes wait for longer when they are repeated. */
	readonly writeRules?: readonly WriteRule[];
	/** `durability = relaxed`: a commit may take so long to reach the medium, ms. Absent: `strict`. */
	readonly syncIntervalMs?: number;
	/** Size of a file that keeps room on the disk for removals; absent: none. */
	readonly ballastBytes?: number;
	/** When it is made after the start, ms. */
	readonly ballastDelayMs?: number;
	/** `store.max_bytes`: the file's size at most; 0 or absent for no limit. */
	readonly maxBytes?: number;
	/** Opening moves what is there aside and begins with empty state. */
	readonly resetState?: boolean;
	/** Whether the process before did not stop in order. Asked when the store is opened. */
	wasKilled?(): boolean;
	/** Path of the SQLite addon, when it is not where the package has it. */
	readonly nativeBinding?: string;
	/** The worker died. Nothing can be stored any more: the caller ends the process. */
	onFatal(error: Error): void;
	/** Commits fail; told once and again when the reason changes. Empty when well again. */
	onTrouble?(words: string): void;
	/** What a person should know about how the database was opened. */
	onNotice?(words: string): void;
	/**
	 * The file cannot be opened. Whoever answers with a limit in bytes gets a store in
	 * memory instead; null refuses.
	 */
	onRefused?(refusal: StoreRefusal): number | null;
	/** Stands in for the store's own worker thread. */
	workerFactory?(): WorkerLike;
}
