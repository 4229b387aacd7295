/** Things that a client does later: in order, some at a time, after a random moment. */
import type { Random } from "../soak/random.ts";

/** Most wait for a moment, some for long; in ms. */
const LATE_MS = [0, 0, 0, 1, 2, 5, 10, 40];

export class LateActs {
	readonly #random: Random;
	#acts: (() => void)[] = [];
	#timer: NodeJS.Timeout | null = null;

	constructor(random: Random) {
		this.#random = random;
	}

	add(act: () => void): void {
		this.#acts.push(act);
		this.#arm();
	}

	/** Does all of it now. */
	flush(): void {
		this.#do(this.#acts.length);
	}

	/** None of it will be done. */
	clear(): void {
		this.#acts = [];
	}

	#arm(): void {
		if (this.#timer !== null || this.#acts.length === 0) return;
		this.#timer = setTimeout(() => {
			this.#timer = null;
			this.#do(1 + this.#random.below(this.#acts.length + 1));
			this.#arm();
		}, this.#random.pick(LATE_MS));
	}

	#do(count: number): void {
		for (const act of this.#acts.splice(0, count)) act();
	}
}
