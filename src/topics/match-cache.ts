/**
 * Remembers what a topic name matched, so that a busy topic does not walk the tree
 * for each message.
 *
 * An entry counts only with the version it was computed for; outdated ones are
 * computed again when asked for and leave first when room is needed. Room is made by
 * the clock rule: a hand goes round the ring, an entry that was used since the last
 * round gets another one.
 *
 *        hand
 *         v          new entries go in behind the hand (looked at last)
 *     -> [A ] -> [B*] -> [C ] -> [D*] -> back to A        * = used since the hand passed
 *
 * Owner of the state: the cache; main thread only. Benchmark: test/bench/match.ts.
 */

/** An entry, its Map slot and the headers of its strings, in bytes. */
const ENTRY_BYTES = 176;

class Entry<R> {
	readonly topic: string;
	result: R;
	version: number;
	bytes: number;
	isUsed = false;
	previous: Entry<R> = this;
	next: Entry<R> = this;

	constructor(topic: string, result: R, version: number, bytes: number) {
		this.topic = topic;
		this.result = result;
		this.version = version;
		this.bytes = bytes;
	}
}

/** A bounded memory of results by topic name. */
export class MatchCache<R> {
	readonly #maxEntries: number;
	readonly #maxBytes: number;
	readonly #compute: (topic: string) => R;
	readonly #weigh: (result: R) => number;
	readonly #entries = new Map<string, Entry<R>>();
	#hand: Entry<R> | null = null;
	/** Publishers tend to stay with a topic: the entry of the last call. */
	#last: Entry<R> | null = null;
	#bytes = 0;

	/**
	 * @param maxEntries topic names remembered at most; 0 turns the cache off
	 * @param maxBytes bytes at most, counted as topic length + a constant + `weigh`
	 * @param compute finds the result of a topic name
	 * @param weigh bytes that a result holds; 0 when not given
	 */
	constructor(
		maxEntries: number,
		maxBytes: number,
		compute: (topic: string) => R,
		weigh: (result: R) => number = weighsNothing,
	) {
		this.#maxEntries = maxEntries;
		this.#maxBytes = maxBytes;
		this.#compute = compute;
		this.#weigh = weigh;
	}

	/** Bytes held now, by the cache's own count. */
	get bytes(): number {
		return this.#bytes;
	}

	get size(): number {
		return this.#entries.size;
	}

	/** @param version that of the tree now; a result of any other version is never returned */
	get(topic: string, version: number): R {
		const last = this.#last;
		if (last !== null && last.version === version && last.topic === topic) {
			last.isUsed = true;
			return last.result;
		}
		const entry = this.#entries.get(topic);
		if (entry === undefined || entry.version !== version)
			return this.#renew(topic, version);
		entry.isUsed = true;
		this.#last = entry;
		return entry.result;
	}

	clear(): void {
		this.#entries.clear();
		this.#hand = null;
		this.#last = null;
		this.#bytes = 0;
	}

	#renew(topic: string, version: number): R {
		const result = this.#compute(topic);
		const bytes = ENTRY_BYTES + topic.length + this.#weigh(result);
		const outdated = this.#entries.get(topic);
		if (outdated !== undefined) this.#remove(outdated);
		if (bytes > this.#maxBytes || this.#maxEntries < 1) return result;
		while (
			this.#entries.size >= this.#maxEntries ||
			this.#bytes + bytes > this.#maxBytes
		)
			this.#evict(version);
		const entry = new Entry(topic, result, version, bytes);
		entry.isUsed = outdated !== undefined;
		this.#insert(entry);
		this.#last = entry;
		return result;
	}

	#insert(entry: Entry<R>): void {
		const hand = this.#hand;
		if (hand === null) this.#hand = entry;
		else {
			entry.next = hand;
			entry.previous = hand.previous;
			entry.previous.next = entry;
			hand.previous = entry;
		}
		this.#entries.set(entry.topic, entry);
		this.#bytes += entry.bytes;
	}

	#remove(entry: Entry<R>): void {
		if (entry.next === entry) this.#hand = null;
		else {
			if (this.#hand === entry) this.#hand = entry.next;
			entry.previous.next = entry.next;
			entry.next.previous = entry.previous;
		}
		if (this.#last === entry) this.#last = null;
		this.#entries.delete(entry.topic);
		this.#bytes -= entry.bytes;
	}

	/** Each step over a used entry was paid for by the hit that marked it: O(1) on average. */
	#evict(version: number): void {
		let entry = this.#hand;
		while (entry?.isUsed && entry.version === version) {
			entry.isUsed = false;
			entry = entry.next;
		}
		if (entry === null) return;
		this.#hand = entry;
		this.#remove(entry);
	}
}

function weighsNothing(): number {
	return 0;
}
