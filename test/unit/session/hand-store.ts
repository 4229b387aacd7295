import type { Clock, TimerHandle } from "../../../src/platform/clock.ts";
import type { FakeClock } from "../../support/fake-clock.ts";
import { LateStore } from "../../support/late-store.ts";

/**
 * A store whose commits and reads happen when the test says so. It begins open: what a
 * broker does at its start goes through; {@link HandStore.hold} closes the gate.
 */
export class HandStore {
	store: LateStore;
	readonly #waiting: (() => void)[] = [];
	#isHeld = false;

	constructor(clock: FakeClock) {
		const gate: Clock = {
			monotonicMs: () => clock.monotonicMs(),
			wallMs: () => clock.wallMs(),
			setTimer: (callback): TimerHandle => {
				if (this.#isHeld) this.#waiting.push(callback);
				else setImmediate(callback);
				return callback;
			},
			clearTimer: () => {},
		};
		this.store = new LateStore({ maxDelayMs: 1, clock: gate });
	}

	/** From now on nothing is committed or read by itself. */
	hold(): void {
		this.#isHeld = true;
	}

	/** The next commit or read, in order; false when nothing waits. */
	async step(): Promise<boolean> {
		await turns();
		const next = this.#waiting.shift();
		next?.();
		await turns();
		return next !== undefined;
	}

	/** As after a power cut: what was not committed is gone. The gate is open again. */
	restart(): LateStore {
		this.#waiting.length = 0;
		this.#isHeld = false;
		this.store = this.store.restart();
		return this.store;
	}

	/** Everything that waits, and from now on everything at once. */
	async release(): Promise<void> {
		this.#isHeld = false;
		while (await this.step());
	}
}

/** Lets everything happen that needs no more than the event loop to go round. */
export async function turns(count = 8): Promise<void> {
	for (let i = 0; i < count; i++)
		await new Promise((resolve) => setImmediate(resolve));
}
