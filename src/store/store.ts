import type { MainThreadWatch } from "../platform/loop-watch.ts";
import type { QoS } from "../protocol/constants.ts";
import type { ApplicationMessage } from "../protocol/messages.ts";
import type { CommitTicket } from "./commit-ticket.ts";
import type { LaneStore, SavedLane } from "./lane.ts";
import { noPages, type PageCounts } from "./page-counts.ts";
import { TopicWrites } from "./topic-writes.ts";
import type { Saved } from "./worker-messages.ts";
import type { WriteRule } from "./write-rules.ts";

/**
 * Everything the broker keeps across a restart, behind one asynchronous interface.
 *
 * Writes are collected and committed in batches by another thread: they return at
 * once, take effect in the order of the calls, and settle the given ticket when they
 * are on disk. A read sees every write that was made before it. Nothing here blocks
 * the event loop.
 */

/** Where a queued message is in its delivery. */
export const DeliveryPhase = {
	/** Not sent on any connection yet. */
	Queued: 0,
	/** PUBLISH sent with `packetId`; PUBACK or PUBREC awaited. */
	Sent: 1,
	/** PUBREC received, PUBREL sent or to be sent; PUBCOMP awaited. */
	Released: 2,
} as const;
export type DeliveryPhase = (typeof DeliveryPhase)[keyof typeof DeliveryPhase];

export interface StoredWill extends ApplicationMessage {
	readonly delaySeconds: number;
}

export interface SessionRecord {
	/** Never reused while the session's rows exist; chosen by the caller, > 0. */
	readonly key: number;
	readonly clientId: string;
	readonly username: string | null;
	/** Seconds; 0xffffffff never ends. */
	readonly expirySeconds: number;
	/** Wall time in ms at which its connection ended; 0 while a client is connected. */
	readonly disconnectedAtMs: number;
	readonly will: StoredWill | null;
}

export interface SubscriptionRecord {
	/** As subscribed, `$share/group/` included. */
	readonly filter: string;
	readonly qos: QoS;
	readonly noLocal: boolean;
	readonly retainAsPublished: boolean;
	/** 0 for none. */
	readonly identifier: number;
}

/** What a queue holds. */
export interface QueueTotals {
	readonly queuedMessages: number;
	/** Payload, topic and property bytes of all queued messages. */
	readonly queuedBytes: number;
	/** The highest sequence number ever written to this queue; 0 when none. */
	readonly lastSequence: number;
}

/** A session as it is found at start; the totals are those of its first queue. */
export interface SavedSession extends SessionRecord, QueueTotals {
	readonly subscriptions: readonly SubscriptionRecord[];
	/** Packet ids of QoS 2 messages received and not yet released. */
	readonly receivedIds: readonly number[];
	readonly lanes: readonly SavedLane[];
}

/** A message in one session's queue. */
export interface QueueEntry {
	/** The subscriber's share: min(published QoS, granted QoS), or more with `upgrade_outgoing_qos`. 1 or 2. */
	readonly qos: QoS;
	/** The RETAIN flag as this subscriber is to see it. */
	readonly retain: boolean;
	/** Identifiers of all matching subscriptions that have one. */
	readonly identifiers: readonly number[];
	/** True when it came through a shared subscription. */
	readonly sharedGroup: string | null;
	readonly phase: DeliveryPhase;
	/** 0 while Queued. */
	readonly packetId: number;
}

export interface QueuedMessage extends QueueEntry {
	readonly sequence: number;
	readonly message: ApplicationMessage;
	/** Wall time in ms at which it expires; 0 when never. */
	readonly expiresAtWallMs: number;
}

/** Which rows of a queue a page is made of. */
export const QueuePart = {
	/** All, in sequence order. */
	All: 0,
	/** Those that were sent and wait for their acknowledgement, in sequence order. */
	Sent: 1,
	/** Those that were not sent, in sequence order. */
	Waiting: 2,
	/** Those that were not sent, the newest first; `after` is ignored. */
	Newest: 3,
} as const;
export type QueuePart = (typeof QueuePart)[keyof typeof QueuePart];

export interface QueuePage {
	readonly messages: readonly QueuedMessage[];
	/** Nothing follows in the order asked for. */
	readonly isLast: boolean;
}

export interface RetainedRecord {
	readonly message: ApplicationMessage;
	/** Wall time in ms at which it expires; 0 when never. */
	readonly expiresAtWallMs: number;
}

/** A walk over retained messages; at most one page is in memory. */
export interface RetainedScan {
	/**
	 * The last page holds nothing below the topics before it, so a later scan may begin
	 * `after` any of its topics. False for what is not in the database yet.
	 */
	readonly isInOrder: boolean;
	/** The next ones; an empty page ends the scan. */
	next(maxMessages: number, maxBytes: number): Promise<RetainedRecord[]>;
	/** Ends early. Harmless after the end. */
	close(): void;
}

/** What a store counts. All zero at the start, apart from what it finds. */
export class StoreCounters {
	commits = 0;
	operations = 0;
	/** Queue entries that were taken out before they were written, and never were. */
	cancelled = 0;
	/** How often commits were brought to the medium itself: each, or with `durability = relaxed` in intervals. */
	syncs = 0;
	/** Batches sent to the worker and not answered yet. */
	batchesInFlight = 0;
	/** Bytes held on the main thread for batches not on disk yet. */
	pendingBytes = 0;
	/** Of these: newer retained messages of topics that the database has, which may wait for long. */
	repeatedBytes = 0;
	retainedMessages = 0;
	retainedBytes = 0;
	/** Non-empty while something is wrong with the database; in words. */
	trouble = "";
	/** Commits fail: nothing can be stored. Changes with `trouble`. */
	isBlocked = false;
	/** Pages of the database that were written since the start, by cause. */
	pages: Readonly<PageCounts> = noPages();
	/** Bytes that earlier processes have written, as far as they could note it. */
	earlierBytes = 0;
	/** `state = ram+checkpoint`: the state was found in memory, newer than any checkpoint. */
	isLeft = false;
	/** Which topics' retained messages are written; whoever looks clears it. */
	readonly topicWrites = new TopicWrites();
}

export interface Store {
	readonly counters: StoreCounters;
	readonly lanes: LaneStore;

	/** Opens or creates the database. @throws Error naming the file and what to do */
	open(): Promise<void>;
	/** Commits what is pending, checkpoints and closes. */
	close(): Promise<void>;

	/**
	 * Told whenever `counters.trouble` has changed.
	 * One listener: the broker.
	 */
	onTroubleChanged: (() => void) | null;
	/** Changes the database file's size at most, in bytes; 0 for no limit. Never below what it has. */
	setMaxBytes(maxBytes: number): void;

	/** Changes how seldom retained messages of QoS 0 are written: all rules at once. */
	setWriteRules(rules: readonly WriteRule[]): void;

	/** Inserts or replaces a session's own row; leaves its subscriptions and queue alone. */
	putSession(record: SessionRecord, ticket: CommitTicket | null): void;
	/** Removes a session and all that belongs to it, its lanes included. */
	deleteSession(key: number, ticket: CommitTicket | null): void;
	putSubscription(
		key: number,
		record: SubscriptionRecord,
		ticket: CommitTicket | null,
	): void;
	deleteSubscription(
		key: number,
		filter: string,
		ticket: CommitTicket | null,
	): void;
	putReceivedId(
		key: number,
		packetId: number,
		ticket: CommitTicket | null,
	): void;
	deleteReceivedId(
		key: number,
		packetId: number,
		ticket: CommitTicket | null,
	): void;

	/**
	 * Adds a message to a session's queue. The same `message` object given for several
	 * queues in a row is stored once. Its bytes must stay unchanged until the commit.
	 * @param sequence greater than any given before for this queue
	 * @param expiresAtWallMs 0 when never
	 * @param isCancellable it was sent to the client, and its acknowledgement may come within
	 * `store.commit_interval`: a {@link dequeue} before that takes it back and settles the
	 * ticket. {@link markSent} ends the waiting, and so does a later entry that is not
	 * cancellable. Nothing else may depend on the same ticket being settled as a whole: not
	 * for a message published with QoS 2
	 */
	enqueue(
		key: number,
		sequence: number,
		message: ApplicationMessage,
		entry: QueueEntry,
		expiresAtWallMs: number,
		ticket: CommitTicket | null,
		isCancellable?: boolean,
	): void;
	/** Records that a queued message was (or is about to be) sent with this packet id. */
	markSent(
		key: number,
		sequence: number,
		packetId: number,
		ticket: CommitTicket | null,
	): void;
	/** Records that PUBREC was received. */
	markReleased(
		key: number,
		sequence: number,
		ticket: CommitTicket | null,
	): void;
	/**
	 * Removes a message that was acknowledged, dropped or has expired. Without a ticket it
	 * leaves with the next batch, or after `store.lazy_interval`: lost, it means that the
	 * client gets the message once more.
	 */
	dequeue(key: number, sequence: number, ticket: CommitTicket | null): void;

	/**
	 * Stores or replaces a topic's retained message.
	 * @param lazy may wait for `store.lazy_interval`, a repeated one for its rule's time, and
	 * be overtaken by a newer one (QoS 0)
	 */
	putRetained(
		message: ApplicationMessage,
		expiresAtWallMs: number,
		lazy: boolean,
		ticket: CommitTicket | null,
	): void;
	deleteRetained(
		topic: string,
		lazy: boolean,
		ticket: CommitTicket | null,
	): void;

	/** All sessions, page by page in key order; `after` 0 to begin. An empty page ends. */
	readSessions(after: number, limit: number): Promise<SavedSession[]>;
	/**
	 * A page of one queue.
	 * @param after only sequences above this; -1 for all
	 */
	readQueue(
		key: number,
		after: number,
		maxMessages: number,
		maxBytes: number,
		part: QueuePart,
	): Promise<QueuePage>;
	/**
	 * Retained messages whose topics match the filter (a plain filter, not `$share`).
	 * @param after only topics above this one, in the order of their bytes; null for all
	 */
	scanRetained(filter: string, after: string | null): RetainedScan;

	/**
	 * Resolves when the worker has done everything that was given to it before, failed
	 * commits that are tried again excepted. Writes nothing by itself.
	 */
	barrier(): Promise<unknown>;
	/** The worker gives back the memory that only its start needed. */
	collectGarbage(): void;
	/** The worker says so when the main thread stands still. Once, when the store is open. */
	watchMainThread(watch: MainThreadWatch): void;

	/**
	 * Copies the database as it is at the end of the copying, while everything goes on.
	 * @param target the new file, on the disk of the database; the caller removes it
	 * @throws Error in words; the file is gone then
	 */
	backup(target: string): Promise<void>;

	/**
	 * `state = ram+checkpoint`: saves the state to data_dir, when it has changed since it was
	 * saved last, while everything goes on.
	 * @returns null when the state is kept otherwise
	 * @throws Error in words; the checkpoints before are as they were
	 */
	saveCheckpoint(): Promise<Saved | null>;

	/** Small durable values of extensions. */
	readValue(space: string, name: string): Promise<Buffer | null>;
	putValue(
		space: string,
		name: string,
		value: Buffer | null,
		ticket: CommitTicket | null,
	): void;
}
