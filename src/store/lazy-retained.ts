import type { Clock, TimerHandle } from "../platform/clock.ts";
import { matches } from "../protocol/topic.ts";
import type { Operation } from "./operation.ts";
import type { RetainedRecord, StoreCounters } from "./store.ts";
import { bodyLength } from "./stored-message.ts";
import { type WriteRule, WriteRules } from "./write-rules.ts";

/**
 * Retained writes that nothing was promised for (QoS 0), on their way to the disk in
 * their own time: the last one of a topic wins. Main thread only.
 *
 *     putRetained(lazy) -> overlay --- every lazyIntervalMs ---> batch -> worker
 *                            |  ^                          |
 *                            |  +-- written lately, and a rule says how seldom
 *     scanRetained --------> + what the database has for other topics
 */

/** Everything is written early when the overlay holds more than this. */
const MAX_BYTES = 4 * 1024 * 1024;
const ENTRY_BYTES = 300;
/** For remembering when topics with a rule were written; the oldest are forgotten first. */
const MAX_TURNS_BYTES = 1024 * 1024;
const TURN_BYTES = 100;

/** How often what waits for its turn is looked at, when everything else is written at once. */
const LOOK_MS = 1000;

/** What a scan has to know: the overlay's matching entries at its start. */
export interface OverlaySnapshot {
	readonly records: readonly RetainedRecord[];
	/** Topics of which the database's value is out of date, removed ones included. */
	readonly topics: ReadonlySet<string>;
}

interface Entry {
	/** Without a message it removes what is retained. */
	readonly operation: Operation;
	/** The database has an older value of the topic. */
	readonly isRepeated: boolean;
	/** Monotonic time before which it is not written. */
	dueMs: number;
}

/** A topic with a rule that was written lately. */
interface Turn {
	readonly everyMs: number;
	/** Monotonic time; what comes later is its first again. */
	readonly endMs: number;
}

export interface LazyRetainedOptions {
	readonly clock: Clock;
	readonly intervalMs: number;
	readonly rules: readonly WriteRule[];
	/** Its `pendingBytes` count the overlay too. */
	readonly counters: StoreCounters;
	/** Takes an operation for the next batch. */
	write(operation: Operation): void;
}

export class LazyRetained {
	readonly #options: LazyRetainedOptions;
	#rules: WriteRules;
	/** By topic. */
	readonly #entries = new Map<string, Entry>();
	#bytes = 0;
	/** By topic; the oldest write first. */
	readonly #turns = new Map<string, Turn>();
	#turnsBytes = 0;
	#timer: TimerHandle | null = null;
	#dueMs = 0;

	constructor(options: LazyRetainedOptions) {
		this.#options = options;
		this.#rules = new WriteRules(options.rules);
	}

	/** What waits because of the rules before is written with the rest. */
	setRules(rules: readonly WriteRule[]): void {
		this.#rules = new WriteRules(rules);
		this.#turns.clear();
		this.#turnsBytes = 0;
		for (const entry of this.#entries.values()) entry.dueMs = 0;
	}

	/** The operation's ticket is settled at once: nothing is promised. */
	put(operation: Operation): void {
		const topic = operation.text ?? "";
		const waiting = this.#entries.get(topic);
		this.forget(topic, operation.message === null);
		const turn = this.#turns.get(topic);
		const isRepeated = turn !== undefined;
		const dueMs = isRepeated ? this.#nextTurnMs(turn.everyMs) : 0;
		const entry = {
			operation: operation.withoutTicket(),
			isRepeated,
			dueMs: Math.min(dueMs, waiting?.dueMs ?? dueMs),
		};
		this.#entries.set(topic, entry);
		this.#charge(entry, 1);
		if (this.#bytes > MAX_BYTES) this.#flushUnlessTroubled(true);
		else this.#startTimer(isRepeated ? LOOK_MS : 0);
		operation.ticket?.hold();
		operation.ticket?.settle();
	}

	/**
	 * The topic has a newer value that is on its way by itself.
	 * @param isRemoved or none any more: what comes next is its first
	 */
	forget(topic: string, isRemoved: boolean): void {
		if (isRemoved) this.#endTurn(topic);
		const entry = this.#entries.get(topic);
		if (entry === undefined) return;
		this.#entries.delete(topic);
		this.#charge(entry, -1);
	}

	/** Hands everything over to the next batch. */
	flush(): void {
		if (this.#timer !== null) this.#options.clock.clearTimer(this.#timer);
		this.#timer = null;
		this.#write(true);
	}

	/** @param after only topics above this one, in the order of their bytes; null for all */
	snapshot(
		filter: string,
		after: string | null,
		wallMs: number,
	): OverlaySnapshot {
		const from = after === null ? null : Buffer.from(after);
		const records: RetainedRecord[] = [];
		const topics = new Set<string>();
		for (const [topic, { operation }] of this.#entries) {
			const { message, expiresAtWallMs } = operation;
			if (!matches(filter, topic)) continue;
			topics.add(topic);
			if (message === null) continue;
			if (from !== null && from.compare(Buffer.from(topic)) >= 0) continue;
			if (expiresAtWallMs !== 0 && expiresAtWallMs <= wallMs) continue; // [MQTT-3.3.2-5]
			records.push({ message, expiresAtWallMs });
		}
		return { records, topics };
	}

	/** While nothing can be written a topic is better kept once here than again in each batch. */
	#flushUnlessTroubled(isEarly: boolean): void {
		if (this.#options.counters.trouble === "") this.#write(isEarly);
		this.#startTimer(LOOK_MS);
	}

	/** @param isEarly whatever the rules say */
	#write(isEarly: boolean): void {
		const now = this.#options.clock.monotonicMs();
		for (const [topic, entry] of this.#entries) {
			if (!isEarly && entry.dueMs > now) continue;
			this.#entries.delete(topic);
			this.#charge(entry, -1);
			this.#endTurn(topic);
			const { operation } = entry;
			if (operation.message !== null) this.#beginTurn(topic);
			this.#options.write(operation);
		}
		for (const [topic, { endMs }] of this.#turns) {
			const isOver = endMs <= now && !this.#entries.has(topic);
			if (isOver || this.#turnsBytes > MAX_TURNS_BYTES) this.#endTurn(topic);
		}
	}

	#beginTurn(topic: string): void {
		const everyMs = this.#rules.everyMs(topic);
		if (everyMs === 0) return;
		const endMs = this.#nextTurnMs(everyMs) + everyMs;
		this.#turns.set(topic, { everyMs, endMs });
		this.#turnsBytes += TURN_BYTES + topic.length;
	}

	/** The same for all topics with this time: one commit for them all, not one for each. */
	#nextTurnMs(everyMs: number): number {
		const now = this.#options.clock.monotonicMs();
		return (Math.floor(now / everyMs) + 1) * everyMs;
	}

	#endTurn(topic: string): void {
		if (this.#turns.delete(topic))
			this.#turnsBytes -= TURN_BYTES + topic.length;
	}

	/** For what is in the overlay now: a running timer that comes later is too late. */
	#startTimer(leastMs: number): void {
		if (this.#entries.size === 0) return;
		const { clock, intervalMs } = this.#options;
		const delayMs = Math.max(intervalMs, leastMs);
		const dueMs = clock.monotonicMs() + delayMs;
		if (this.#timer !== null) {
			if (this.#dueMs <= dueMs) return;
			clock.clearTimer(this.#timer);
		}
		this.#dueMs = dueMs;
		this.#timer = clock.setTimer(() => {
			this.#timer = null;
			this.#flushUnlessTroubled(false);
		}, delayMs);
	}

	/** @param sign 1 when it comes, -1 when it goes */
	#charge({ operation, isRepeated }: Entry, sign: 1 | -1): void {
		const { counters } = this.#options;
		const bytes = sign * entryBytes(operation);
		this.#bytes += bytes;
		counters.pendingBytes += bytes;
		if (isRepeated) counters.repeatedBytes += bytes;
	}
}

function entryBytes({ text, message }: Operation): number {
	const bytes = ENTRY_BYTES + (text?.length ?? 0);
	if (message === null) return bytes;
	return bytes + bodyLength(message);
}
