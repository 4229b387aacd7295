import type { StoreClient } from "../../../src/store/store-client.ts";
import type { FakeClock } from "../../support/fake-clock.ts";
import { HandDisk } from "../../support/hand-disk.ts";
import { turns } from "./hand-store.ts";

const COMMIT_INTERVAL_MS = 50;

/** The real store, a step at a time; when nothing waits, the time of cancellable entries passes. */
export class HandDiskStore {
	readonly #clock: FakeClock;
	readonly #disk: HandDisk;

	constructor(clock: FakeClock) {
		this.#clock = clock;
		this.#disk = new HandDisk({
			clock,
			commitIntervalMs: COMMIT_INTERVAL_MS,
			lazyIntervalMs: 5000,
		});
	}

	get store(): StoreClient {
		return this.#disk.store;
	}

	hold(): void {
		this.#disk.hold();
	}

	async step(): Promise<boolean> {
		await turns();
		if (this.#disk.stepNow()) {
			await turns();
			return true;
		}
		await this.#clock.advanceAsync(COMMIT_INTERVAL_MS);
		const worked = this.#disk.stepNow();
		await turns();
		return worked;
	}

	restart(): StoreClient {
		return this.#disk.restart();
	}

	async release(): Promise<void> {
		this.#disk.release();
		while (await this.step());
	}
}
