/** What was noted each second of a run: for the line of progress and for the picture. */

/** Seconds that are kept at most: of a longer run the oldest pairs become one. */
const MOST_MOMENTS = 2000;

export interface Moment {
	/** Since the run began. */
	readonly seconds: number;
	readonly connected: number;
	/** Messages a second, since the moment before. */
	readonly sentRate: number;
	readonly receivedRate: number;
}

export class Timeline {
	#moments: Moment[] = [];

	get moments(): readonly Moment[] {
		return this.#moments;
	}

	/** Halves what there is when it gets too much, by leaving out every other one. */
	add(moment: Moment): void {
		this.#moments.push(moment);
		if (this.#moments.length > MOST_MOMENTS)
			this.#moments = this.#moments.filter((_, at) => at % 2 === 1);
	}
}
