import type { Clock, TimerHandle } from "../platform/clock.ts";
import { matches } from "../protocol/topic.ts";
import type { Operation } from "./operation.ts";
import type { RetainedRecord, StoreCounters } from "./store.ts";

/**
 * Retained writes that nothing was promised for (QoS 0), on their way to the disk in
 * their own time: the last one of a topic wins. Main thread only.
 *
 *     putRetained(lazy) -> overlay --- every lazyIntervalMs ---> batch -> worker
 *                            |
 *     scanRetained --------> + what the database has for other topics
 */

/** Written early when the overlay holds more than this. */
const MAX_BYTES = 4 * 1024 * 1024;
const ENTRY_BYTES = 300;

/** What a scan has to know: the overlay's matching entries at its start. */
export interface OverlaySnapshot {
	readonly records: readonly RetainedRecord[];
	/** Topics of which the database's value is out of date, removed ones included. */
	readonly topics: ReadonlySet<string>;
}

export class LazyRetained {
	readonly #clock: Clock;
	readonly #intervalMs: number;
	readonly #counters: StoreCounters;
	readonly #write: (operation: Operation) => void;
	/** By topic; an operation without a message removes what is retained. */
	readonly #entries = new Map<string, Operation>();
	#bytes = 0;
	#timer: TimerHandle | null = null;

	/**
	 * @param counters its `pendingBytes` count the overlay too
	 * @param write takes an operation for the next batch
	 */
	constructor(
		clock: Clock,
		intervalMs: number,
		counters: StoreCounters,
		write: (operation: Operation) => void,
	) {
		this.#clock = clock;
		this.#intervalMs = intervalMs;
		this.#counters = counters;
		this.#write = write;
	}

	/** The operation's ticket is settled at once: nothing is promised. */
	put(operation: Operation): void {
		const topic = operation.text ?? "";
		this.forget(topic);
		this.#entries.set(topic, operation.withoutTicket());
		this.#charge(entryBytes(operation));
		if (this.#bytes > MAX_BYTES) this.#flushUnlessTroubled();
		else this.#startTimer();
		operation.ticket?.hold();
		operation.ticket?.settle();
	}

	/** The topic has a newer value that is on its way by itself. */
	forget(topic: string): void {
		const entry = this.#entries.get(topic);
		if (entry === undefined) return;
		this.#entries.delete(topic);
		this.#charge(-entryBytes(entry));
	}

	/** Hands everything over to the next batch. */
	flush(): void {
		if (this.#timer !== null) this.#clock.clearTimer(this.#timer);
		this.#timer = null;
		for (const operation of this.#entries.values()) this.#write(operation);
		this.#entries.clear();
		this.#charge(-this.#bytes);
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
		for (const [topic, { message, expiresAtWallMs }] of this.#entries) {
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
	#flushUnlessTroubled(): void {
		if (this.#counters.trouble === "") this.flush();
		else this.#startTimer();
	}

	#startTimer(): void {
		if (this.#timer !== null || this.#entries.size === 0) return;
		this.#timer = this.#clock.setTimer(() => {
			this.#timer = null;
			this.#flushUnlessTroubled();
		}, this.#intervalMs);
	}

	#charge(bytes: number): void {
		this.#bytes += bytes;
		this.#counters.pendingBytes += bytes;
	}
}

function entryBytes({ text, message }: Operation): number {
	const bytes = ENTRY_BYTES + (text?.length ?? 0);
	if (message === null) return bytes;
	return bytes + message.payload.length + message.properties.length;
}
