/**
 * What the broker does while its database cannot be written: for `store.degraded_wait`
 * packets that need the disk are not handled, and answers that wait for it are held;
 * then both are refused, until the database can be written again. Owned by the broker.
 *
 *     commits fail          degraded_wait          commits succeed
 *          |--------- held ---------|----- refused -----|
 */
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logger.ts";
import { type TimerTarget, WheelTimer } from "../platform/timer-wheel.ts";
import type { Store } from "../store/store.ts";

/** How often it is looked whose answer has waited too long. */
const LOOK_MS = 500;

/** What it needs of a connection. */
export interface DegradedConnection {
	/** A packet that was put off may be handled, or refused, now. */
	takeUpPostponed(): void;
	/** Ends the waiting of answers to packets that were handled at `beforeMs` or earlier. */
	refuseOverdue(beforeMs: number): void;
}

export interface DegradedStatus {
	/** What is wrong with the database, in words; empty while nothing is. */
	readonly trouble: string;
	/** How long it has not been possible to write, seconds; 0 while it is. */
	readonly seconds: number;
	/** What needs the disk is refused, and not held any more. */
	readonly isRefusing: boolean;
	/** Packets and connections that have been refused for it since the start. */
	readonly refused: number;
}

export interface DegradedParts {
	readonly clock: Clock;
	readonly wheel: { schedule(timer: WheelTimer, delayMs: number): void };
	readonly log: Logger;
	readonly store: Store;
	/** `store.degraded_wait` in ms. */
	waitMs(): number;
	readonly connections: Iterable<DegradedConnection>;
}

export class DegradedMode implements TimerTarget {
	/** Nothing can be written. */
	isOn = false;
	isRefusing = false;
	refused = 0;
	/** Monotonic ms; answers that begin to wait are dated by it, at most {@link LOOK_MS} too early. */
	lookedAtMs = Number.NEGATIVE_INFINITY;
	readonly #parts: DegradedParts;
	readonly #timer = new WheelTimer(this);
	#sinceMs = 0;
	#troubleSinceMs = 0;
	#trouble = "";
	#refusedBefore = 0;

	constructor(parts: DegradedParts) {
		this.#parts = parts;
		parts.store.onTroubleChanged = () => this.#follow();
	}

	/** How long what comes now may be held; 0 when it is refused. */
	get leftMs(): number {
		if (this.isRefusing) return 0;
		const { clock, waitMs } = this.#parts;
		return Math.max(0, this.#sinceMs + waitMs() - clock.monotonicMs());
	}

	get status(): DegradedStatus {
		return {
			trouble: this.#trouble,
			seconds: this.isOn ? this.#secondsSince(this.#sinceMs) : 0,
			isRefusing: this.isRefusing,
			refused: this.refused,
		};
	}

	onTimer(): void {
		if (!this.isOn) return;
		const { clock, connections, waitMs } = this.#parts;
		const now = clock.monotonicMs();
		this.lookedAtMs = now;
		if (now >= this.#sinceMs + waitMs()) {
			if (!this.isRefusing) this.#beginRefusing();
			for (const connection of [...connections])
				connection.refuseOverdue(now - waitMs());
		}
		this.#arm();
	}

	#follow(): void {
		const { clock, log, store } = this.#parts;
		const { trouble, isBlocked } = store.counters;
		if (trouble !== "" && trouble !== this.#trouble) log.store.error(trouble);
		if (this.#trouble === "") {
			this.#troubleSinceMs = clock.monotonicMs();
			this.#refusedBefore = this.refused;
		}
		const isOver = trouble === "" && this.#trouble !== "";
		this.#trouble = trouble;
		if (isBlocked && !this.isOn) this.#begin();
		else if (!isBlocked && this.isOn) this.#end();
		if (!isOver) return;
		log.store.info("the database can be written again", {
			after_s: this.#secondsSince(this.#troubleSinceMs),
			refused: this.refused - this.#refusedBefore,
		});
	}

	#begin(): void {
		this.isOn = true;
		this.#sinceMs = this.#parts.clock.monotonicMs();
		this.lookedAtMs = this.#sinceMs;
		this.#arm();
	}

	#end(): void {
		this.isOn = false;
		this.isRefusing = false;
		this.#takeUpPostponed();
	}

	#beginRefusing(): void {
		const { log, waitMs } = this.#parts;
		this.isRefusing = true;
		log.store.error(
			"the database still cannot be written: what has to be stored is refused from now on",
			{ after_s: waitMs() / 1000, key: "store.degraded_wait" },
		);
		this.#takeUpPostponed();
	}

	#takeUpPostponed(): void {
		for (const connection of [...this.#parts.connections])
			connection.takeUpPostponed();
	}

	#arm(): void {
		const left = this.isRefusing ? LOOK_MS : Math.min(LOOK_MS, this.leftMs);
		this.#parts.wheel.schedule(this.#timer, left);
	}

	#secondsSince(ms: number): number {
		return Math.round((this.#parts.clock.monotonicMs() - ms) / 1000);
	}
}
