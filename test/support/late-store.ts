import { type Clock, systemClock } from "../../src/platform/clock.ts";
import type { ApplicationMessage } from "../../src/protocol/messages.ts";
import { matches } from "../../src/protocol/topic.ts";
import type { CommitTicket } from "../../src/store/commit-ticket.ts";
import type { LaneStore } from "../../src/store/lane.ts";
import { messageBytes } from "../../src/store/message-codec.ts";
import {
	DeliveryPhase,
	type QueuedMessage,
	type QueueEntry,
	type QueuePage,
	QueuePart,
	type RetainedRecord,
	type RetainedScan,
	type SavedSession,
	type SessionRecord,
	type Store,
	StoreCounters,
	type SubscriptionRecord,
} from "../../src/store/store.ts";
import {
	Committed,
	copyMessage,
	copyOf,
	entryOf,
	firstOf,
	hasExpired,
	newQueue,
	totalsOf,
} from "./late-store-state.ts";

/**
 * A store in memory that is late: commits and reads happen one after the other, each 0
 * to `maxDelayMs` after the one before, at random. What is not committed is not in
 * {@link LateStore.restart}.
 */

export interface LateStoreOptions {
	/** 0: each commit or read in a turn of the event loop of its own, without timers. */
	readonly maxDelayMs: number;
	readonly seed?: number;
	/** Its timers make the delays; without one, timers that keep the process alive. */
	readonly clock?: Clock;
}

/** A test that only waits for the store must not end meanwhile. */
const keepAliveClock: Clock = {
	...systemClock,
	setTimer: (callback, delayMs) => setTimeout(callback, delayMs),
};

type Step = () => void;
export class LateStore implements Store {
	readonly counters = new StoreCounters();
	onTroubleChanged: (() => void) | null = null;
	readonly #options: LateStoreOptions;
	#clock: Clock;
	readonly #state: Committed;
	readonly #steps: Step[] = [];
	/** Operations and tickets of the turn; null when its commit is not waiting any more. */
	#batch: { writes: Step[]; tickets: (CommitTicket | null)[] } | null = null;
	#random: number;
	#isBusy = false;
	#isDead = false;

	constructor(options: LateStoreOptions, state = new Committed()) {
		this.#options = options;
		this.#clock = options.clock ?? keepAliveClock;
		this.#random = options.seed ?? 1;
		this.#state = state;
		this.#countRetained();
	}

	open(): Promise<void> {
		return Promise.resolve();
	}

	/** Another process has opened it, with a clock of its own. */
	useClock(clock: Clock): void {
		this.#clock = clock;
	}

	setMaxBytes(): void {}

	/** From now on, as far as the broker can tell, nothing can be written; empty: all is well again. */
	setTrouble(words: string): void {
		this.counters.trouble = words;
		this.counters.isBlocked = words !== "";
		this.onTroubleChanged?.();
	}

	async close(): Promise<void> {
		if (this.#isDead) return;
		await this.#ask(() => null);
		this.#isDead = true;
	}

	/** As after a power cut: a new store with what was committed; this one does nothing more. */
	restart(): LateStore {
		this.#isDead = true;
		return new LateStore(
			{ ...this.#options, seed: this.#random },
			copyOf(this.#state),
		);
	}

	/** Nothing is lazy here. */
	setWriteRules(): void {}

	/** It has no file. */
	collectGarbage(): void {}

	async saveCheckpoint(): Promise<null> {
		return null;
	}

	backup(): Promise<void> {
		return Promise.reject(new Error("no backup was made: there is no file"));
	}

	putSession(record: SessionRecord, ticket: CommitTicket | null): void {
		const { key, clientId, username, expirySeconds, disconnectedAtMs, will } =
			record;
		this.#write(ticket, () =>
			this.#state.sessions.set(key, {
				key,
				clientId,
				username,
				expirySeconds,
				disconnectedAtMs,
				will: will && {
					...copyMessage(will),
					delaySeconds: will.delaySeconds,
				},
			}),
		);
	}

	deleteSession(key: number, ticket: CommitTicket | null): void {
		this.#write(ticket, () => {
			this.#state.sessions.delete(key);
			this.#state.subscriptions.delete(key);
			this.#state.receivedIds.delete(key);
			this.#state.queues.delete(key);
			for (const lane of this.#state.lanes.values())
				if (lane.session === key) this.#deleteLane(lane.key);
		});
	}

	/** Lanes by topic need no more than any other: all rows are looked at. */
	readonly lanes: LaneStore = {
		onReplaced: null,
		put: ({ key, session, name, isByTopic }, ticket) =>
			this.#write(ticket, () => {
				const first = this.#state.lanes.get(key);
				const record = first ?? { key, session, name, isByTopic };
				this.#state.lanes.set(key, { ...record, name });
			}),
		delete: (key, ticket) => this.#write(ticket, () => this.#deleteLane(key)),
		replace: (key, sequence, message, entry, expiresAtWallMs, ticket) => {
			this.#write(null, () => {
				for (const row of this.#rowsOf(key, message.topic)) {
					if (row.phase !== DeliveryPhase.Queued) continue;
					this.#state.queues.get(key)?.rows.delete(row.sequence);
					const bytes = messageBytes(row.message);
					this.lanes.onReplaced?.(key, row.sequence, bytes);
				}
			});
			this.enqueue(key, sequence, message, entry, expiresAtWallMs, ticket);
		},
		readTopic: (key, topic, after, maxMessages, maxBytes) =>
			this.#ask(() => {
				const rows = this.#rowsOf(key, topic);
				const found = rows.filter(({ sequence }) => sequence > after);
				const messages = firstOf(found, maxMessages, maxBytes);
				return { messages, isLast: messages.length === found.length };
			}),
	};

	putSubscription(
		key: number,
		record: SubscriptionRecord,
		ticket: CommitTicket | null,
	): void {
		const { filter, qos, noLocal, retainAsPublished, identifier } = record;
		const row = { filter, qos, noLocal, retainAsPublished, identifier };
		this.#write(ticket, () =>
			entryOf(this.#state.subscriptions, key, () => new Map()).set(filter, row),
		);
	}

	deleteSubscription(
		key: number,
		filter: string,
		ticket: CommitTicket | null,
	): void {
		this.#write(ticket, () =>
			this.#state.subscriptions.get(key)?.delete(filter),
		);
	}

	putReceivedId(
		key: number,
		packetId: number,
		ticket: CommitTicket | null,
	): void {
		this.#write(ticket, () =>
			entryOf(this.#state.receivedIds, key, () => new Set()).add(packetId),
		);
	}

	deleteReceivedId(
		key: number,
		packetId: number,
		ticket: CommitTicket | null,
	): void {
		this.#write(ticket, () =>
			this.#state.receivedIds.get(key)?.delete(packetId),
		);
	}

	enqueue(
		key: number,
		sequence: number,
		message: ApplicationMessage,
		entry: QueueEntry,
		expiresAtWallMs: number,
		ticket: CommitTicket | null,
	): void {
		const { qos, retain, identifiers, sharedGroup, phase, packetId } = entry;
		const fields = { qos, retain, identifiers, sharedGroup, phase, packetId };
		this.#write(ticket, () => {
			const queue = entryOf(this.#state.queues, key, newQueue);
			if (queue.rows.has(sequence))
				throw new Error(`sequence ${sequence} is in queue ${key} already`);
			queue.lastSequence = Math.max(queue.lastSequence, sequence);
			const copy = copyMessage(message);
			const row = { ...fields, sequence, expiresAtWallMs, message: copy };
			queue.rows.set(sequence, row);
		});
	}

	markSent(
		key: number,
		sequence: number,
		packetId: number,
		ticket: CommitTicket | null,
	): void {
		this.#write(ticket, () =>
			this.#change(key, sequence, { phase: DeliveryPhase.Sent, packetId }),
		);
	}

	markReleased(
		key: number,
		sequence: number,
		ticket: CommitTicket | null,
	): void {
		this.#write(ticket, () =>
			this.#change(key, sequence, { phase: DeliveryPhase.Released }),
		);
	}

	dequeue(key: number, sequence: number, ticket: CommitTicket | null): void {
		this.#write(ticket, () =>
			this.#state.queues.get(key)?.rows.delete(sequence),
		);
	}

	putRetained(
		message: ApplicationMessage,
		expiresAtWallMs: number,
		lazy: boolean,
		ticket: CommitTicket | null,
	): void {
		this.#writeRetained(lazy, ticket, () => {
			const record = { message: copyMessage(message), expiresAtWallMs };
			this.#state.retained.set(message.topic, record);
		});
	}

	deleteRetained(
		topic: string,
		lazy: boolean,
		ticket: CommitTicket | null,
	): void {
		this.#writeRetained(lazy, ticket, () => this.#state.retained.delete(topic));
	}

	readSessions(after: number, limit: number): Promise<SavedSession[]> {
		return this.#ask(() =>
			[...this.#state.sessions.values()]
				.filter((session) => session.key > after)
				.sort((a, b) => a.key - b.key)
				.slice(0, limit)
				.map((session) => this.#savedSession(session)),
		);
	}

	readQueue(
		key: number,
		after: number,
		maxMessages: number,
		maxBytes: number,
		part: QueuePart,
	): Promise<QueuePage> {
		return this.#ask(() => {
			const rows = [...(this.#state.queues.get(key)?.rows.values() ?? [])];
			const found = rows
				.filter(({ phase, sequence }) => {
					if (part === QueuePart.Newest) return phase === DeliveryPhase.Queued;
					if (sequence <= after) return false;
					if (part === QueuePart.All) return true;
					return (part === QueuePart.Sent) === phase > DeliveryPhase.Queued;
				})
				.sort((a, b) => a.sequence - b.sequence);
			if (part === QueuePart.Newest) found.reverse();
			const messages = firstOf(found, maxMessages, maxBytes);
			return { messages, isLast: messages.length === found.length };
		});
	}

	scanRetained(filter: string, after: string | null): RetainedScan {
		let position = after === null ? null : Buffer.from(after);
		let isOver = false;
		return {
			isInOrder: true,
			next: (maxMessages, maxBytes) =>
				this.#ask(() => {
					if (isOver) return [];
					const records = this.#retainedAfter(filter, position);
					const page = firstOf(records, maxMessages, maxBytes);
					const last = page.at(-1);
					if (last !== undefined) position = Buffer.from(last.message.topic);
					return page;
				}),
			close: () => {
				isOver = true;
			},
		};
	}

	barrier(): Promise<unknown> {
		return this.#ask(() => null);
	}

	watchMainThread(): void {}

	readValue(space: string, name: string): Promise<Buffer | null> {
		return this.#ask(
			() => this.#state.values.get(`${space}\u0000${name}`) ?? null,
		);
	}

	putValue(
		space: string,
		name: string,
		value: Buffer | null,
		ticket: CommitTicket | null,
	): void {
		const key = `${space}\u0000${name}`;
		this.#write(ticket, () => {
			if (value === null) this.#state.values.delete(key);
			else this.#state.values.set(key, Buffer.from(value));
		});
	}

	#rowsOf(key: number, topic: string): QueuedMessage[] {
		return [...(this.#state.queues.get(key)?.rows.values() ?? [])]
			.filter(({ message }) => message.topic === topic)
			.sort((a, b) => a.sequence - b.sequence);
	}

	#deleteLane(key: number): void {
		this.#state.lanes.delete(key);
		this.#state.queues.delete(key);
	}

	#savedSession(session: SessionRecord): SavedSession {
		const { subscriptions, receivedIds, queues } = this.#state;
		const totals = (key: number) => totalsOf(queues.get(key) ?? newQueue());
		const filters = [...(subscriptions.get(session.key)?.values() ?? [])];
		return {
			...session,
			subscriptions: filters.sort((a, b) =>
				Buffer.compare(Buffer.from(a.filter), Buffer.from(b.filter)),
			),
			receivedIds: [...(receivedIds.get(session.key) ?? [])].sort(
				(a, b) => a - b,
			),
			lanes: [...this.#state.lanes.values()]
				.filter((lane) => lane.session === session.key)
				.sort((a, b) => a.key - b.key)
				.map((lane) => ({ ...lane, ...totals(lane.key) })),
			...totals(session.key),
		};
	}

	#retainedAfter(filter: string, position: Buffer | null): RetainedRecord[] {
		const now = this.#clock.wallMs();
		return [...this.#state.retained.values()]
			.filter(({ message }) => matches(filter, message.topic))
			.filter((record) => !hasExpired(record, now))
			.map((record) => ({ record, at: Buffer.from(record.message.topic) }))
			.filter(({ at }) => position === null || at.compare(position) > 0)
			.sort((a, b) => a.at.compare(b.at))
			.map(({ record }) => record);
	}

	#change(key: number, sequence: number, change: Partial<QueueEntry>): void {
		const rows = this.#state.queues.get(key)?.rows;
		const row = rows?.get(sequence);
		if (row !== undefined) rows?.set(sequence, { ...row, ...change });
	}

	#writeRetained(
		lazy: boolean,
		ticket: CommitTicket | null,
		write: Step,
	): void {
		this.#write(lazy ? null : ticket, () => {
			write();
			this.#countRetained();
		});
		if (!lazy) return;
		ticket?.hold();
		ticket?.settle();
	}

	#countRetained(): void {
		this.counters.retainedMessages = this.#state.retained.size;
		this.counters.retainedBytes = 0;
		for (const { message } of this.#state.retained.values())
			this.counters.retainedBytes += messageBytes(message);
	}

	/** Adds to the batch of this turn; it is committed as one step. */
	#write(ticket: CommitTicket | null, write: Step): void {
		if (this.#isDead) return;
		ticket?.hold();
		if (this.#batch !== null) {
			this.#batch.writes.push(write);
			this.#batch.tickets.push(ticket);
			return;
		}
		const batch = { writes: [write], tickets: [ticket] };
		this.#batch = batch;
		setImmediate(() => {
			if (this.#batch === batch) this.#batch = null;
		});
		this.counters.batchesInFlight++;
		this.#enter(() => {
			if (this.#batch === batch) this.#batch = null;
			for (const step of batch.writes) step();
			this.counters.batchesInFlight--;
			this.counters.commits++;
			this.counters.operations += batch.writes.length;
			for (const waiting of batch.tickets) waiting?.settle();
		});
	}

	#ask<R>(read: () => R): Promise<R> {
		if (this.#isDead) return Promise.reject(new Error("the store is closed"));
		this.#batch = null;
		return new Promise((resolve) => {
			this.#enter(() => resolve(read()));
		});
	}

	#enter(step: Step): void {
		this.#steps.push(step);
		if (!this.#isBusy) this.#await();
	}

	/** Takes the next step after a random while, then the one behind it. */
	#await(): void {
		this.#isBusy = true;
		const run = () => {
			if (this.#isDead) return;
			const step = this.#steps.shift();
			step?.();
			if (this.#steps.length > 0) this.#await();
			else this.#isBusy = false;
		};
		const { maxDelayMs } = this.#options;
		if (maxDelayMs === 0) setImmediate(run);
		else this.#clock.setTimer(run, this.#nextRandom() * maxDelayMs);
	}

	/** 0 to 1, the same row for the same seed. */
	#nextRandom(): number {
		this.#random = (Math.imul(this.#random, 1664525) + 1013904223) >>> 0;
		return this.#random / 2 ** 32;
	}
}
