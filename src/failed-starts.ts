/**
 * Notes each start in a small file until the broker has run for a minute or was stopped in
 * order, so that a start knows how those before it ended. Whoever crashes at each start
 * does so because of what it finds in its state: after a few of them in a row it is left
 * alone (safe mode).
 *
 * What an earlier boot of the machine has left counts only when the broker could say why
 * it ended: a power cut is no failure of ours.
 */
import {
	mkdirSync,
	readFileSync,
	renameSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import type { SafeMode } from "./broker/safe-mode.ts";
import type { Settings } from "./config/config.ts";
import { type Clock, systemClock } from "./platform/clock.ts";
import { StoreRefusal } from "./store/store-refusal.ts";

const NAME = "starts.json";
const READY_MS = 60_000;
/** More would say nothing new. */
const KEPT = 10;

export interface Start {
	readonly pid: number;
	/** ISO time. */
	readonly at: string;
	readonly boot: string;
	/** It ran for a minute. */
	isReady: boolean;
	/** Why it ended, when the broker could say. */
	end: string;
}

export class FailedStarts {
	readonly #folders: readonly string[];
	readonly #clock: Clock;
	readonly #boot: string;
	readonly #own: Start;
	/** The start has failed. */
	#isOver = false;
	/** So many failures in a row that the state is better left alone. */
	isTooMany = false;

	/**
	 * @param folders for the file: the first that can be written
	 * @param boot changes with each boot of the machine
	 */
	constructor(
		folders: readonly string[],
		clock: Clock,
		boot = bootId(),
		pid = process.pid,
	) {
		this.#folders = folders;
		this.#clock = clock;
		this.#boot = boot;
		const at = new Date(clock.wallMs()).toISOString();
		this.#own = { pid, at, boot, isReady: false, end: "" };
	}

	/** The process before did not stop in order. */
	get wasKilled(): boolean {
		return this.#others().length > 0;
	}

	/** Those that ended by themselves within their first minute, since the last that did not. */
	inARow(): readonly Start[] {
		const starts = this.#others();
		const lastGood = starts.findLastIndex(({ isReady }) => isReady);
		return starts.slice(lastGood + 1).filter(({ boot, end }) => {
			return boot === this.#boot || end !== "";
		});
	}

	/**
	 * Runs a start; what was refused in words counts as none. One that succeeds after too
	 * many failures does not end their row: an orderly stop does.
	 */
	async count(start: () => Promise<void>): Promise<void> {
		const wasTooMany = this.isTooMany;
		this.begin();
		try {
			await start();
		} catch (error) {
			this.#isOver = true;
			if (error instanceof StoreRefusal) this.retract();
			else this.noteEnd(String(error));
			throw error;
		}
		if (!wasTooMany) this.ready();
	}

	/** This start begins. */
	begin(): void {
		this.#write([...this.#read(), this.#own].slice(-KEPT));
	}

	/** It has succeeded; a minute from now the failures before it are forgotten. */
	ready(): void {
		this.#clock.setTimer(() => {
			this.#own.isReady = true;
			if (this.#isNoted) this.#write([this.#own]);
		}, READY_MS);
	}

	/** It ends by a failure of its own. Never throws. */
	noteEnd(words: string): void {
		if (this.#own.isReady || !this.#isNoted) return;
		this.#own.end = words.slice(0, 500);
		this.#write(
			this.#read().map((each) => (this.#isOwn(each) ? this.#own : each)),
		);
	}

	/** It was not at fault: only its own note goes. */
	retract(): void {
		const starts = this.#read();
		const others = starts.filter((each) => !this.#isOwn(each));
		if (others.length < starts.length) this.#write(others);
	}

	/** It was stopped in order. */
	stopped(): void {
		if (this.#isNoted && !this.#isOver) this.#write([]);
	}

	/** What they failed by is gone. */
	clear(): void {
		this.#write([]);
	}

	get #isNoted(): boolean {
		return this.#read().some((each) => this.#isOwn(each));
	}

	#isOwn({ pid, at }: Start): boolean {
		return pid === this.#own.pid && at === this.#own.at;
	}

	/** Ended ones: another broker that runs on the same folder is none of our business. */
	#others(): Start[] {
		return this.#read().filter(
			(each) => !this.#isOwn(each) && !(each.boot === this.#boot && runs(each)),
		);
	}

	#read(): Start[] {
		for (const folder of this.#folders) {
			try {
				const text = readFileSync(join(folder, NAME), "utf8");
				const starts: unknown = JSON.parse(text);
				if (Array.isArray(starts) && starts.every(isStart)) return starts;
			} catch {
				// None here, or half written: the next folder, or none at all.
			}
		}
		return [];
	}

	#write(starts: readonly Start[]): void {
		for (const folder of this.#folders) {
			const path = join(folder, NAME);
			try {
				if (starts.length === 0) {
					rmSync(path, { force: true });
					continue;
				}
				mkdirSync(folder, { recursive: true, mode: 0o750 });
				writeFileSync(`${path}.new`, `${JSON.stringify(starts)}\n`, {
					mode: 0o640,
				});
				renameSync(`${path}.new`, path);
				return;
			} catch {
				// The next folder; without any, failed starts are not counted.
			}
		}
	}
}

/**
 * For the start of a broker with these settings; null where starts are not counted.
 * Enters safe mode when too many have failed.
 */
export function countStarts(
	settings: Settings,
	resetState: boolean,
	safeMode: SafeMode,
): FailedStarts | null {
	const { data_dir, persistence } = settings;
	const most = settings["store.max_failed_starts"];
	if (!persistence || most === 0) return null;
	// Under systemd there is a folder in memory too, for a data_dir that cannot be written.
	const { RUNTIME_DIRECTORY } = process.env;
	const folders = [data_dir, ...(RUNTIME_DIRECTORY?.split(":") ?? [])];
	const starts = new FailedStarts(folders, systemClock);
	if (resetState) starts.clear();
	const failed = starts.inARow();
	if (failed.length < most) return starts;
	starts.isTooMany = true;
	safeMode.enter(
		`the last ${failed.length} starts ended by a crash before the broker had run for a minute: ${describeStarts(failed)}; the database in ${resolve(data_dir)} was left alone; the log of those starts may say why; restart the broker to try it again, start it with --reset-state to begin with empty state`,
		null,
	);
	return starts;
}

/** In words, for a person. */
export function describeStarts(starts: readonly Start[]): string {
	return starts
		.map(({ at, end }) => `${at} (${end || "killed, or no reason known"})`)
		.join(", ");
}

function isStart(value: unknown): value is Start {
	const { pid, at, boot, isReady, end } = (value ?? {}) as Partial<Start>;
	return (
		typeof pid === "number" &&
		typeof at === "string" &&
		typeof boot === "string" &&
		typeof isReady === "boolean" &&
		typeof end === "string"
	);
}

/** A container gives each of its processes the same number: one's own is nobody else. */
function runs({ pid }: Start): boolean {
	if (pid === process.pid) return false;
	try {
		process.kill(pid, 0);
		return true;
	} catch (error) {
		return (error as NodeJS.ErrnoException).code === "EPERM";
	}
}

function bootId(): string {
	try {
		return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
	} catch {
		return "";
	}
}
