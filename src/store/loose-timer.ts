import type { Clock, TimerHandle } from "../platform/clock.ts";

/** A timer that is left running when there is nothing to wait for: whoever it calls looks. */
export class LooseTimer {
	readonly #clock: Clock;
	readonly #onDue: () => void;
	#timer: TimerHandle | null = null;

	constructor(clock: Clock, onDue: () => void) {
		this.#clock = clock;
		this.#onDue = onDue;
	}

	/** Runs `onDue` after so long, or earlier when it is running already. */
	start(delayMs: number): void {
		if (this.#timer !== null) return;
		this.#timer = this.#clock.setTimer(() => {
			this.#timer = null;
			this.#onDue();
		}, delayMs);
	}

	stop(): void {
		if (this.#timer !== null) this.#clock.clearTimer(this.#timer);
		this.#timer = null;
	}
}
