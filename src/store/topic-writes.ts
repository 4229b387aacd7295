/**
 * Which topics' retained messages are written most often, in a table of fixed size
 * (space-saving): a topic that is not in it takes the place of the one with the fewest
 * writes, and its count as the error of its own. Main thread only.
 *
 *     topic          writes  error
 *     meters/power      720      0    <- between 720 - 0 and 720
 *     door/1             12     11    <- took the place of one that had 11
 */

/** Places in the table: a topic with more than a sixteenth of all writes is always in it. */
const PLACES = 16;

interface Place {
	writes: number;
	error: number;
	isLazy: boolean;
}

export interface BusyTopic {
	readonly topic: string;
	/** At least so many. */
	readonly writes: number;
	/** Of all writes, 0 to 1. */
	readonly share: number;
	/** The last one was of QoS 0, which `retained.<filter>.write_every` can delay. */
	readonly isLazy: boolean;
}

export class TopicWrites {
	readonly #places = new Map<string, Place>();
	#writes = 0;

	get writes(): number {
		return this.#writes;
	}

	note(topic: string, isLazy: boolean): void {
		this.#writes++;
		const known = this.#places.get(topic);
		if (known !== undefined) {
			known.writes++;
			known.isLazy = isLazy;
			return;
		}
		const error = this.#places.size < PLACES ? 0 : this.#giveUpLeast();
		this.#places.set(topic, { writes: error + 1, error, isLazy });
	}

	/** The one that was certainly written most often; null when there was none. */
	busiest(): BusyTopic | null {
		let found: BusyTopic | null = null;
		for (const [topic, { writes, error, isLazy }] of this.#places) {
			const certain = writes - error;
			if (certain <= (found?.writes ?? 0)) continue;
			const share = certain / this.#writes;
			found = { topic, writes: certain, share, isLazy };
		}
		return found;
	}

	clear(): void {
		this.#places.clear();
		this.#writes = 0;
	}

	/** @returns the writes of the topic that had the fewest, which is forgotten */
	#giveUpLeast(): number {
		let least = "";
		let writes = Number.POSITIVE_INFINITY;
		for (const [topic, place] of this.#places) {
			if (place.writes >= writes) continue;
			least = topic;
			writes = place.writes;
		}
		this.#places.delete(least);
		return writes;
	}
}
