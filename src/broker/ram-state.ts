/**
 * `state = ram+checkpoint` as the main thread sees it: when the state is saved, how much
 * a power cut would lose, and what to tell a person. The database lies in memory, so its
 * bytes are charged. Owned by the broker; off with any other way of keeping the state.
 */
import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Settings } from "../config/schema.ts";
import type { Clock } from "../platform/clock.ts";
import { lockFolder } from "../platform/folder-lock.ts";
import type { Logger } from "../platform/logger.ts";
import { isInMemory } from "../platform/ram-folder.ts";
import { type TimerTarget, WheelTimer } from "../platform/timer-wheel.ts";
import { inBytes, inTime } from "../platform/words.ts";
import type { Store } from "../store/store.ts";
import type { Saved } from "../store/worker-messages.ts";
import { AdminRefusal } from "./admin-routes.ts";

/** How often it is looked whether it is time, and how large the database is. */
const LOOK_MS = 1000;
/** After a failure it is tried again so soon, or at the next regular time. */
const RETRY_MS = 60_000;

export interface RamStateParts {
	readonly settings: Settings;
	readonly clock: Clock;
	readonly log: Logger;
	readonly store: Store;
	readonly wheel: { schedule(timer: WheelTimer, delayMs: number): void };
}

/** Where the database is. */
export interface RamPlace {
	/** In memory. */
	readonly path: string;
	/** In data_dir. */
	readonly checkpoint: string;
}

/** A snapshot. */
export interface RamStateStatus extends RamPlace {
	/** Of the database and its log, in memory. */
	readonly bytes: number;
	/** Since the last checkpoint, or since the start, which began with one: what came since a power cut would lose. */
	readonly unsavedMs: number;
	/** Why the last attempt failed, in words; empty when it did not. */
	readonly trouble: string;
}

export class RamState implements TimerTarget {
	readonly place: RamPlace;
	#parts: RamStateParts | null = null;
	/** Monotonic time of what data_dir has. */
	#savedAtMs = 0;
	#triedAtMs = 0;
	#bytes = 0;
	#trouble = "";
	#isSaving = false;
	readonly #timer = new WheelTimer(this);

	constructor(place: RamPlace) {
		this.place = place;
	}

	/** Before the store is opened: no other broker may use the same data_dir. */
	claim(): void {
		const folder = dirname(this.place.checkpoint);
		try {
			mkdirSync(folder, { recursive: true, mode: 0o750 });
		} catch {
			// Saving will say why.
		}
		lockFolder(folder);
	}

	/** The store is open: from now on it is saved. */
	begin(parts: RamStateParts): void {
		const { clock, log, settings, store, wheel } = parts;
		this.#parts = parts;
		const nowMs = clock.monotonicMs();
		const { isLeft } = store.counters;
		this.#savedAtMs = isLeft ? nowMs - this.#ageMs(clock) : nowMs;
		this.#triedAtMs = isLeft ? Number.NEGATIVE_INFINITY : nowMs;
		this.#measure();
		const { path, checkpoint } = this.place;
		const found = isLeft
			? `; the state that the process before has left there is used, ${inTime(nowMs - this.#savedAtMs)} newer than the checkpoint`
			: "";
		log.store.warning(
			`the database is in memory (${path}) and saved to ${checkpoint} every ${inTime(settings["state.checkpoint_interval"])}: an acknowledgement does not mean the disk, a power cut loses what came since the last checkpoint (state = ram+checkpoint)${found}`,
		);
		if (!isInMemory(dirname(path)))
			log.store.warning(
				`${dirname(path)} is on no file system in memory, as far as the system tells (state.ram_dir)`,
			);
		wheel.schedule(this.#timer, LOOK_MS);
	}

	/** Bytes of memory that the database takes. */
	get bytes(): number {
		return this.#bytes;
	}

	/** In words, when a person has to see to it. */
	get alarm(): string {
		return this.#trouble;
	}

	get status(): RamStateStatus {
		const { clock } = this.#parts ?? {};
		const nowMs = clock?.monotonicMs() ?? this.#savedAtMs;
		return {
			...this.place,
			bytes: this.#bytes,
			unsavedMs: nowMs - this.#savedAtMs,
			trouble: this.#trouble,
		};
	}

	onTimer(): void {
		const parts = this.#parts;
		if (parts === null) return;
		parts.wheel.schedule(this.#timer, LOOK_MS);
		this.#measure();
		const { settings, clock } = parts;
		const intervalMs = settings["state.checkpoint_interval"];
		const waitMs =
			this.#trouble === "" ? intervalMs : Math.min(intervalMs, RETRY_MS);
		const isDue = clock.monotonicMs() - this.#triedAtMs >= waitMs;
		if (!isDue || this.#isSaving) return;
		this.#save(parts).catch((error: Error) => this.#note(error.message));
	}

	/** Now, because somebody wants it. @throws AdminRefusal in words */
	async saveNow(): Promise<Saved> {
		if (this.#parts === null)
			throw new AdminRefusal(409, "the broker is starting");
		try {
			return await this.#save(this.#parts);
		} catch (error) {
			const { message } = error as Error;
			this.#note(message);
			throw new AdminRefusal(507, message);
		}
	}

	async #save({ clock, log, store }: RamStateParts): Promise<Saved> {
		const nowMs = clock.monotonicMs();
		this.#triedAtMs = nowMs;
		this.#isSaving = true;
		try {
			const saved = await store.saveCheckpoint();
			if (saved === null) throw new Error("the state is not in memory");
			this.#savedAtMs = nowMs;
			this.#note("");
			const { checkpoint } = this.place;
			if (saved.notice !== "") log.store.error(saved.notice);
			if (saved.isNew)
				log.store.debug(`saved ${inBytes(saved.bytes)} to ${checkpoint}`);
			return saved;
		} finally {
			this.#isSaving = false;
		}
	}

	/** Said once, and when it is over. */
	#note(trouble: string): void {
		const log = this.#parts?.log;
		const before = this.#trouble;
		this.#trouble =
			trouble === ""
				? ""
				: `${trouble}; the broker goes on and tries again every minute, and a power cut would lose what came since the last checkpoint`;
		if (trouble === "" && before !== "")
			log?.store.info("the state in memory is saved again");
		else if (this.#trouble !== before) log?.store.error(this.#trouble);
	}

	#measure(): void {
		const { path } = this.place;
		this.#bytes = sizeOf(path) + sizeOf(`${path}-wal`);
	}

	/** By the wall clock; a checkpoint of the future has no age. */
	#ageMs(clock: Clock): number {
		const { checkpoint } = this.place;
		const stat = statSync(checkpoint, { throwIfNoEntry: false });
		return Math.max(0, clock.wallMs() - (stat?.mtimeMs ?? clock.wallMs()));
	}
}

function sizeOf(file: string): number {
	return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
