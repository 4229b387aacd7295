import type { ApplicationMessage } from "../protocol/messages.ts";
import type { CommitTicket } from "./commit-ticket.ts";
import type { QueueEntry, QueuePage, QueueTotals } from "./store.ts";

/**
 * Further queues of a session. Its first queue is named by the session's own key; each
 * further one, a lane, has a key of its own from the same numbers, and `enqueue`,
 * `markSent`, `markReleased`, `dequeue` and `readQueue` take either. Sequences are counted
 * for each lane by itself. A session's end takes its lanes along.
 */

export interface LaneRecord {
	/** Neither a session nor another lane has it; chosen by the caller, > 0. */
	readonly key: number;
	/** The session's key. */
	readonly session: number;
	readonly name: string;
	/**
	 * Its messages can be found and replaced by their topic, which costs a second row for
	 * each. Cannot be changed later.
	 */
	readonly isByTopic: boolean;
}

/** A lane as it is found at start. */
export interface SavedLane extends LaneRecord, QueueTotals {}

export interface LaneStore {
	/**
	 * Told of each message that {@link replace} took out, when that is on disk. It may be in
	 * memory or under way; taking it out once more does no harm. One listener.
	 * @param bytes topic, property and payload bytes
	 */
	onReplaced: ((key: number, sequence: number, bytes: number) => void) | null;

	/** Makes a lane, before its first message; or changes its name. */
	put(record: LaneRecord, ticket: CommitTicket | null): void;
	/** Removes a lane and all that waits in it. */
	delete(key: number, ticket: CommitTicket | null): void;

	/**
	 * As `enqueue`, in a lane by topic: what waits there with the same topic and is not
	 * marked as sent goes in the same commit.
	 */
	replace(
		key: number,
		sequence: number,
		message: ApplicationMessage,
		entry: QueueEntry,
		expiresAtWallMs: number,
		ticket: CommitTicket | null,
	): void;

	/**
	 * A page of what a lane by topic holds of one topic, in sequence order.
	 * @param after only sequences above this; -1 for all
	 */
	readTopic(
		key: number,
		topic: string,
		after: number,
		maxMessages: number,
		maxBytes: number,
	): Promise<QueuePage>;
}
