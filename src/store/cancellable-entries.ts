import type { Clock } from "../platform/clock.ts";
import type { CommitTicket } from "./commit-ticket.ts";
import type { Operation } from "./operation.ts";

/** Sessions without an entry whose place is kept for the next one: 300 bytes each. */
const KEPT_PLACES = 1024;

/**
 * Queue entries that were sent to their client already and hope for its acknowledgement
 * before they are written. Owned by the pipeline; main thread only.
 *
 * What leaves is always the beginning of a session's entries: a later one that was on
 * disk alone would arrive first after a crash.
 */
export class CancellableEntries {
	readonly #clock: Clock;
	/** In the order in which they were put. */
	readonly #all = new Set<Operation>();
	/** By session and sequence. */
	readonly #bySession = new Map<number, Map<number, Operation>>();
	/** Tickets of entries that were taken back. */
	#cancelled: CommitTicket[] = [];

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** Monotonic time at which the oldest was put; Infinity when there is none. */
	get oldestMs(): number {
		for (const oldest of this.#all) return oldest.putAtMs;
		return Number.POSITIVE_INFINITY;
	}

	add(operation: Operation): void {
		const { key, sequence } = operation;
		operation.putAtMs = this.#clock.monotonicMs();
		this.#all.add(operation);
		let entries = this.#bySession.get(key);
		if (entries === undefined) {
			entries = new Map();
			this.#bySession.set(key, entries);
		}
		entries.set(sequence, operation);
	}

	get(key: number, sequence: number): Operation | null {
		return this.#bySession.get(key)?.get(sequence) ?? null;
	}

	/**
	 * Takes one back. Its ticket is settled when the stack is empty: who waits may publish,
	 * to the very session that is acknowledging.
	 */
	cancel(entry: Operation): void {
		this.#remove(entry);
		if (entry.ticket === null) return;
		this.#cancelled.push(entry.ticket);
		if (this.#cancelled.length > 1) return;
		queueMicrotask(() => {
			const tickets = this.#cancelled;
			this.#cancelled = [];
			for (const ticket of tickets) ticket.settle();
		});
	}

	/** All of one session, in order. */
	takeSession(key: number): Iterable<Operation> {
		const entries = this.#bySession.get(key);
		if (entries === undefined) return [];
		this.#bySession.delete(key);
		for (const operation of entries.values()) this.#all.delete(operation);
		return entries.values();
	}

	/** All that have waited at least so long, in order. */
	takeOlderThan(ms: number): Operation[] {
		const now = this.#clock.monotonicMs();
		const taken: Operation[] = [];
		for (const operation of this.#all) {
			if (now - operation.putAtMs < ms) break;
			taken.push(operation);
			this.#remove(operation);
		}
		return taken;
	}

	#remove(operation: Operation): void {
		const { key, sequence } = operation;
		this.#all.delete(operation);
		const entries = this.#bySession.get(key);
		entries?.delete(sequence);
		if (entries?.size === 0 && this.#bySession.size > KEPT_PLACES)
			this.#bySession.delete(key);
	}
}
