/**
 * The same messages by way of the program `systemd-notify`, for a runtime that cannot
 * call the C library. A process each (5 ms), and as it is not the main process, the unit
 * needs `NotifyAccess=all`.
 */
import { execFile } from "node:child_process";
import type { SendLines } from "./notify-socket.ts";

/** @param onFailure told once, in words */
export function sendByProgram(onFailure: (words: string) => void): SendLines {
	let hasFailed = false;
	const fail = (error: unknown) => {
		if (!hasFailed) onFailure(describe(error));
		hasFailed = true;
	};
	// One after the other: what is told last has to hold.
	let last: Promise<unknown> = Promise.resolve();
	return (text) => {
		last = last.then(() => run(text.split("\n"))).catch(fail);
		return true;
	};
}

async function run(lines: readonly string[]): Promise<void> {
	const ready = lines.includes("READY=1");
	const status = lines.find((line) => line.startsWith("STATUS="))?.slice(7);
	const others = lines.filter((line) => !/^(READY|STATUS)=/.test(line));
	if (ready || status !== undefined) {
		const { default: notify } = await import("systemd-notify");
		await notify({ ready, ...(status === undefined ? {} : { status }) });
	}
	// The package knows nothing else, the program does.
	if (others.length > 0) await call([`--pid=${process.pid}`, ...others]);
}

function call(args: readonly string[]): Promise<void> {
	return new Promise((resolve, reject) => {
		execFile("systemd-notify", args, (error) =>
			error === null ? resolve() : reject(error),
		);
	});
}

function describe(error: unknown): string {
	const words = error instanceof Error ? error.message : String(error);
	return `systemd cannot be told how the broker does (${words.trim()}): with this runtime it takes the program systemd-notify and NotifyAccess=all in the unit`;
}
