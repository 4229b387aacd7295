/**
 * Pings systemd's watchdog, but only after each part of the broker has proved anew that
 * it works. What does not prove itself in time is named in the log, and no ping follows:
 * systemd ends the process and starts it again.
 *
 *     timeout   0 ........... 1/6 ........... 4/6 ................ 6/6
 *               last ping     a new round     one of them has not   systemd ends
 *                             of proofs       answered: said        the process
 *
 * Time is counted in ticks, each of which counts once however late it comes: a process
 * that was stopped, or a machine that slept, accuses nobody. Main thread only.
 */
import type { Clock, TimerHandle } from "./clock.ts";

/** Something that has to work for the broker to be of use. */
export interface Proof {
	/** As it is named in the log: `the store`. */
	readonly name: string;
	/**
	 * One that has never succeeded accuses nobody: what is in the way (a firewall between
	 * the broker and its own address) would be there after a restart too.
	 */
	readonly mayBeImpossible: boolean;
	/** Resolves when it works; rejects, or never ends, when it does not. */
	prove(): Promise<unknown>;
}

export interface WatchdogParts {
	readonly clock: Clock;
	/** systemd's limit, ms. */
	readonly timeoutMs: number;
	/** Those that count now; they may change while the broker runs. */
	proofs(): readonly Proof[];
	ping(): void;
	/** A proof is missing, in words. */
	accuse(words: string): void;
	/** It is an accusation no more, or never was one. */
	note(words: string): void;
}

const TICKS_PER_TIMEOUT = 6;
/** Ticks that a round may take before somebody is accused. */
const PATIENCE = 3;

interface Record {
	isUnderWay: boolean;
	hasSucceeded: boolean;
	/** It was said that it cannot be watched. */
	isExcused: boolean;
	lastError: string;
}

export class Watchdog {
	readonly #parts: WatchdogParts;
	readonly #tickMs: number;
	readonly #records = new Map<string, Record>();
	/** Proofs of this round that are missing; null between two rounds. */
	#missing: Set<string> | null = null;
	#ticks = 0;
	#timer: TimerHandle | null = null;
	#isStopped = false;

	constructor(parts: WatchdogParts) {
		this.#parts = parts;
		this.#tickMs = parts.timeoutMs / TICKS_PER_TIMEOUT;
	}

	/** The first round begins at once. */
	start(): void {
		this.#tick();
	}

	stop(): void {
		this.#isStopped = true;
		if (this.#timer !== null) this.#parts.clock.clearTimer(this.#timer);
		this.#timer = null;
	}

	#tick(): void {
		const proofs = this.#parts.proofs();
		if (this.#missing === null) {
			this.#missing = new Set(proofs.map(({ name }) => name));
			this.#ticks = 0;
		} else {
			this.#ticks++;
			this.#forgetGone(proofs);
			if (this.#ticks === PATIENCE) this.#judge(proofs);
		}
		for (const proof of proofs) this.#try(proof);
		this.#endRound();
		this.#timer = this.#parts.clock.setTimer(() => this.#tick(), this.#tickMs);
	}

	/** A listener was removed by a reload. */
	#forgetGone(proofs: readonly Proof[]): void {
		const names = new Set(proofs.map(({ name }) => name));
		for (const name of this.#missing ?? [])
			if (!names.has(name)) this.#missing?.delete(name);
		for (const name of this.#records.keys())
			if (!names.has(name)) this.#records.delete(name);
	}

	#try(proof: Proof): void {
		const { name } = proof;
		const record = this.#recordOf(name);
		if (record.isUnderWay || this.#missing?.has(name) !== true) return;
		record.isUnderWay = true;
		proof.prove().then(
			() => this.#succeed(name, record),
			(error) => {
				record.isUnderWay = false;
				record.lastError = error instanceof Error ? error.message : `${error}`;
			},
		);
	}

	#succeed(name: string, record: Record): void {
		record.isUnderWay = false;
		record.hasSucceeded = true;
		record.isExcused = false;
		record.lastError = "";
		if (this.#isStopped || this.#missing?.delete(name) !== true) return;
		if (this.#ticks >= PATIENCE)
			this.#parts.note(`${name} works again after ${this.#waited}`);
		this.#endRound();
	}

	#endRound(): void {
		if (this.#missing === null) return;
		for (const name of this.#missing)
			if (!this.#recordOf(name).isExcused) return;
		this.#missing = null;
		this.#parts.ping();
	}

	#judge(proofs: readonly Proof[]): void {
		for (const { name, mayBeImpossible } of proofs) {
			if (this.#missing?.has(name) !== true) continue;
			const record = this.#recordOf(name);
			const why = record.lastError === "" ? "" : ` (${record.lastError})`;
			if (!mayBeImpossible || record.hasSucceeded) {
				this.#parts.accuse(
					`${name} has not proved that it works for ${this.#waited}${why}; unless it does, systemd will end the broker and start it again`,
				);
			} else if (!record.isExcused) {
				record.isExcused = true;
				this.#parts.note(
					`${name} does not answer the broker itself${why}: the watchdog does not watch it`,
				);
			}
		}
	}

	get #waited(): string {
		return `${((this.#ticks * this.#tickMs) / 1000).toFixed(1)} s`;
	}

	#recordOf(name: string): Record {
		let record = this.#records.get(name);
		if (record === undefined) {
			record = {
				isUnderWay: false,
				hasSucceeded: false,
				isExcused: false,
				lastError: "",
			};
			this.#records.set(name, record);
		}
		return record;
	}
}
