/**
 * Tells when the main thread stands still: it counts its heartbeats into shared memory,
 * and another thread looks at them. Whoever stands still cannot say so himself.
 *
 * Time is counted in looks of the watching thread, each of which counts once however late
 * it comes: a process that was stopped, or a machine that slept, has missed none.
 */
import { appendFileSync, readFileSync, writeSync } from "node:fs";
import { type Clock, systemClock, type TimerHandle } from "./clock.ts";
import { type Level, type LogFormat, lineFormats } from "./log-format.ts";

/** What the watching thread is given; crosses threads. */
export interface MainThreadWatch {
	/** One Int32, which the main thread counts up. */
	readonly beats: SharedArrayBuffer;
	/** Between two looks, ms; longer than between two beats. */
	readonly lookMs: number;
	/** Looks without a new beat after which it is said. */
	readonly patience: number;
	/** Of the log line, which does not go through the main thread. */
	readonly format: LogFormat;
	/** Noted here too, for the next start; empty for nowhere. */
	readonly noteFile: string;
}

/** How the main thread is, as the system has it. */
interface ThreadState {
	/** `R`, `S`, `D`, ... [proc_pid_stat(5)] */
	readonly letter: string;
	/** Of processor time since its beginning. */
	readonly cpuMs: number;
	/** The function of the kernel in which it waits; empty when it does not tell. */
	readonly waitsIn: string;
}

export interface LoopWatchParts {
	readonly clock: Clock;
	/** null when the system does not tell. */
	readThread(): ThreadState | null;
	say(level: Level, words: string): void;
	note(words: string): void;
}

/** sysconf(_SC_CLK_TCK), the same on every Linux that the runtime knows. */
const TICKS_PER_SECOND = 100;

export class LoopWatch {
	readonly #watch: MainThreadWatch;
	readonly #parts: LoopWatchParts;
	readonly #beats: Int32Array;
	#timer: TimerHandle | null = null;
	#seen = 0;
	#looks = 0;
	#cpuMs = 0;

	constructor(
		watch: MainThreadWatch,
		parts: LoopWatchParts = systemParts(watch),
	) {
		this.#watch = watch;
		this.#parts = parts;
		this.#beats = new Int32Array(watch.beats);
	}

	start(): void {
		const { clock } = this.#parts;
		this.#timer = clock.setTimer(() => {
			this.#look();
			this.start();
		}, this.#watch.lookMs);
	}

	stop(): void {
		if (this.#timer !== null) this.#parts.clock.clearTimer(this.#timer);
		this.#timer = null;
	}

	#look(): void {
		const { patience } = this.#watch;
		const { readThread, say, note } = this.#parts;
		const beats = Atomics.load(this.#beats, 0);
		if (beats !== this.#seen) {
			if (this.#looks >= patience)
				say("info", `the main thread runs again after ${this.#stoodStill}`);
			this.#seen = beats;
			this.#looks = 0;
			return;
		}
		this.#looks++;
		if (this.#looks === 1) this.#cpuMs = readThread()?.cpuMs ?? 0;
		if (this.#looks !== patience) return;
		const words = `the main thread has not run for ${this.#stoodStill}: ${this.#doing(readThread())}`;
		say("error", `${words}; no client is served, systemd will end the broker`);
		note(words);
	}

	get #stoodStill(): string {
		return `${((this.#looks * this.#watch.lookMs) / 1000).toFixed(1)} s`;
	}

	#doing(thread: ThreadState | null): string {
		if (thread === null) return "the system does not tell what it does";
		const { letter, cpuMs, waitsIn } = thread;
		const spent = `${((cpuMs - this.#cpuMs) / 1000).toFixed(1)} s of processor time`;
		const where = waitsIn === "" ? "" : ` in ${waitsIn}`;
		if (letter === "R") return `it computes (${spent} since)`;
		if (letter === "D") return `it waits for a disk${where} (${spent} since)`;
		return `it waits for the system${where} (state ${letter}, ${spent} since)`;
	}
}

function systemParts(watch: MainThreadWatch): LoopWatchParts {
	const { format, noteFile } = watch;
	return {
		clock: systemClock,
		readThread: readMainThread,
		say: (level, words) => {
			const line = lineFormats[format](Date.now(), level, "system", words, {});
			ignoringErrors(() => writeSync(2, `${line}\n`));
		},
		note: (words) => {
			if (noteFile === "") return;
			ignoringErrors(() => appendFileSync(noteFile, `${words}\n`));
		},
	};
}

/** The main thread has the number of the process. */
function readMainThread(): ThreadState | null {
	const folder = `/proc/self/task/${process.pid}`;
	try {
		// The name stands in brackets and may hold anything; the state follows.
		const stat = readFileSync(`${folder}/stat`, "latin1");
		const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
		const ticks = Number(fields[11]) + Number(fields[12]);
		const wchan = readFileSync(`${folder}/wchan`, "latin1");
		return {
			letter: fields[0] ?? "?",
			cpuMs: (ticks * 1000) / TICKS_PER_SECOND,
			waitsIn: wchan === "0" ? "" : wchan,
		};
	} catch {
		return null;
	}
}

/** Nobody would hear of them. */
function ignoringErrors(work: () => void): void {
	try {
		work();
	} catch {}
}
