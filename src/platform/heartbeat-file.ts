/**
 * A few bytes in the runtime folder that say until when the process lived: what ends a
 * process that cannot say anything itself any more (stopped, killed) is told by the next
 * start. Only where the folder is in memory: a flash card should not pay for it.
 */
import { readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const TMPFS_MAGIC = 0x01021994;
const NAME = "heartbeat";

/** What a process has left that did not end in order. */
export interface Traces {
	readonly pid: number;
	/** Since its last heartbeat. The clock stands still while the machine sleeps. */
	readonly silentMs: number;
	/** What it, or its other thread, noted last; empty when nothing. */
	readonly words: string;
}

export class HeartbeatFile {
	readonly path: string;

	constructor(path: string) {
		this.path = path;
	}

	/** What the process before has left; null when it ended in order, or in another boot. */
	read(nowMs = bootMs()): Traces | null {
		try {
			const text = readFileSync(this.path, "utf8");
			const [first = "", ...notes] = text.trim().split("\n");
			const [pid = 0, beatMs = Number.NaN] = first.split(" ").map(Number);
			if (!(pid > 0) || !(beatMs <= nowMs)) return null;
			return { pid, silentMs: nowMs - beatMs, words: notes.join("; ") };
		} catch {
			return null;
		}
	}

	/** Also takes back what was noted: whoever beats, lives. */
	beat(): void {
		this.#write(`${process.pid} ${bootMs()}\n`);
	}

	/** What is about to end the process. */
	note(words: string): void {
		this.#write(`${words}\n`, "a");
	}

	/** The process ends in order. */
	remove(): void {
		try {
			rmSync(this.path, { force: true });
		} catch {
			// then the next start says more than it has to
		}
	}

	#write(text: string, flag = "w"): void {
		try {
			writeFileSync(this.path, text, { flag, mode: 0o640 });
		} catch {
			// the file is for an explanation; without it the broker is as good
		}
	}
}

/** @returns null without a runtime folder, or when it is on a disk */
export function heartbeatFile(
	env: Readonly<Record<string, string | undefined>>,
): HeartbeatFile | null {
	// systemd names several folders with colons between them.
	const folder = env.RUNTIME_DIRECTORY?.split(":")[0] ?? "";
	if (!folder.startsWith("/")) return null;
	try {
		if (statfsSync(folder).type !== TMPFS_MAGIC) return null;
	} catch {
		return null;
	}
	return new HeartbeatFile(join(folder, NAME));
}

/** What the process before died of, as far as its traces tell. */
export function describeTraces(traces: Traces, watchdogMs: number): string {
	const { pid, silentMs, words } = traces;
	const begin = `the process before (pid ${pid}) did not end in order; its last heartbeat was ${(silentMs / 1000).toFixed(1)} s before this start`;
	if (words !== "") return `${begin}, its last words: ${words}`;
	if (watchdogMs === 0 || silentMs < watchdogMs)
		return `${begin}: it was killed or crashed`;
	return `${begin}, longer than systemd's watchdog waits (${watchdogMs / 1000} s): all of it stood still, by SIGSTOP, a debugger, a frozen control group or a machine that stood still`;
}

/** CLOCK_MONOTONIC, the same for all processes of a boot. ms */
function bootMs(): number {
	return Math.floor(Number(process.hrtime.bigint() / 1_000_000n));
}
