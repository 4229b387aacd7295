/**
 * The head of a session's queue: what waits for room in the window, in memory.
 *
 *      store (persistent sessions)                 memory
 *      +-----------------------------------+   +-----------+   +----------+
 *      | 101 102 103 104 105 106 107 ...   |   | 57 58 ... |   | 41 .. 56 |
 *      +-----------------------------------+   +-----------+   +----------+
 *        tail: read in pages when the head       head            window
 *        runs low                                                (Inflight)
 *
 * A session whose tail is only in the store is *spilled*: new messages then go to the
 * store alone, so that order is kept, until a page comes back as the last one and
 * nothing was added since it was asked for. Clean sessions never spill: their head is
 * their queue, bounded by count and bytes.
 */
import { Ring } from "../platform/ring.ts";
import type { InflightEntry } from "./inflight.ts";
import { type HeadLimits, ROOMY_HEAD } from "./session-context.ts";

export class OfflineQueue {
	/** Messages exist in the store that are not in memory. */
	isSpilled = false;
	/** A page has been asked for. */
	isLoading = false;
	/** The highest sequence that was read or put into memory. */
	cursor = 0;
	bytes = 0;
	/** Sent on an earlier connection: to be sent again before anything else, in order. */
	readonly #resent = new Ring<InflightEntry>();
	readonly #entries = new Ring<InflightEntry>();
	/** How much of a persistent session's queue is kept in memory. */
	readonly #limits: HeadLimits;

	constructor(limits: HeadLimits = ROOMY_HEAD) {
		this.#limits = limits;
	}

	get length(): number {
		return this.#resent.length + this.#entries.length;
	}

	/** A persistent session's head takes no more. */
	get isFull(): boolean {
		const { messages, bytes } = this.#limits;
		return this.length >= messages || this.bytes >= bytes;
	}

	/** Room for one page. */
	get pageMessages(): number {
		return Math.max(1, this.#limits.messages - this.length);
	}

	get pageBytes(): number {
		return this.#limits.bytes;
	}

	get wantsPage(): boolean {
		const isLow = this.length < this.#limits.messages / 4;
		return this.isSpilled && !this.isLoading && isLow;
	}

	push(entry: InflightEntry): void {
		this.#entries.push(entry);
		this.bytes += entry.message.size;
		if (entry.sequence > this.cursor) this.cursor = entry.sequence;
	}

	/** One that was sent before; `cursor` stays: rows that wait may be older. */
	pushResent(entry: InflightEntry): void {
		this.#resent.push(entry);
		this.bytes += entry.message.size;
	}

	/** The next one to send: sent before, else the oldest, or with `newestFirst` the newest. */
	take(newestFirst: boolean): InflightEntry | undefined {
		const entry =
			this.#resent.shift() ??
			(newestFirst ? this.#entries.pop() : this.#entries.shift());
		if (entry !== undefined) this.bytes -= entry.message.size;
		return entry;
	}

	entries(): readonly InflightEntry[] {
		return [...this.#resent.toArray(), ...this.#entries.toArray()];
	}

	holds(sequence: number): boolean {
		return this.entries().some((entry) => entry.sequence === sequence);
	}

	/** Takes out one that waits and was never sent. */
	remove(sequence: number): InflightEntry | undefined {
		const index = this.#entries
			.toArray()
			.findIndex((entry) => entry.sequence === sequence);
		if (index < 0) return undefined;
		const entry = this.#entries.remove(index);
		if (entry !== undefined) this.bytes -= entry.message.size;
		return entry;
	}

	/**
	 * Takes out all that waits and was never sent; the store has it, and it will be read
	 * again. Nothing while a page is on its way, which would close up to what is here.
	 */
	spill(): readonly InflightEntry[] {
		if (this.isLoading) return [];
		const waiting = this.#entries.toArray();
		if (waiting.length === 0) return waiting;
		for (const { message, sequence } of waiting) {
			this.bytes -= message.size;
			this.cursor = Math.min(this.cursor, sequence - 1);
		}
		this.#entries.clear();
		this.isSpilled = true;
		return waiting;
	}

	clear(): void {
		this.#resent.clear();
		this.#entries.clear();
		this.bytes = 0;
	}
}
