/**
 * Where log lines leave the process: standard error, without ever waiting for it.
 *
 * A reader that stopped reading (a stuck pager, a console with Ctrl-S, a hung log
 * collector) costs log lines, never the event loop. Lines that are not taken at once
 * are counted and gone; only the rest of a line that was taken in part is kept.
 * Owner of the state: the sink; main thread only.
 */

import { constants, fstatSync, openSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import type { Level } from "./log-format.ts";

/** Takes a line without a line end. Never throws. */
export interface LogSink {
	(line: string, level: Level): void;
	/** Lines lost so far; the logger says so when one passes again. */
	readonly dropped?: number;
}

const STDERR = 2;

/**
 * A sink that writes whole lines through `write`.
 * @param write returns the number of bytes taken and throws when it takes none, as `fs.writeSync` does
 */
export function lineSink(write: (bytes: Buffer) => number): LogSink {
	let rest: Buffer | null = null;

	function writeOrKeepRest(bytes: Buffer): boolean {
		try {
			const taken = write(bytes);
			rest = taken < bytes.length ? bytes.subarray(taken) : null;
			return true;
		} catch {
			return false; // EAGAIN: full. EPIPE, EIO, ENOSPC: nobody there to be told
		}
	}

	const sink = (line: string) => {
		const isClear = rest === null || (writeOrKeepRest(rest) && rest === null);
		if (!isClear || !writeOrKeepRest(Buffer.from(`${line}\n`))) sink.dropped++;
	};
	sink.dropped = 0;
	return sink;
}

/** Keeps the handle that made a socket non-blocking. */
let stderrSocket: Socket | null = null;

/**
 * A descriptor for standard error that refuses instead of blocking where the system
 * has a way. Pipes and terminals are opened anew, so that the programs we share them
 * with do not find theirs changed; a socket (the journal's) cannot be opened, but
 * becomes non-blocking when it is wrapped. A file does not block.
 */
function openStderr(): number {
	try {
		const stat = fstatSync(STDERR);
		if (stat.isFIFO() || stat.isCharacterDevice()) {
			const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
			return openSync("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY);
		}
		if (stat.isSocket()) {
			// Not readable: systemd has shut that side, and whoever reads its end closes the socket.
			stderrSocket ??= new Socket({
				fd: STDERR,
				readable: false,
				writable: true,
			});
			stderrSocket.on("error", () => {}).unref();
		}
	} catch {
		// closed, or opened by another user: writes fail or block as the system decides
	}
	return STDERR;
}

let stderrDescriptor = -1;

/** Standard error, opened with the first line. */
export const stderrSink: LogSink = lineSink((bytes) => {
	if (stderrDescriptor === -1) stderrDescriptor = openStderr();
	return writeSync(stderrDescriptor, bytes);
});

/**
 * Standard error goes to the journal: systemd names the device and inode of the
 * socket it made, which is not ours when somebody has redirected it [systemd.exec(5)].
 */
export function isUnderSystemd(
	env: Readonly<Record<string, string | undefined>>,
	fstat: (descriptor: number) => {
		dev: number | bigint;
		ino: number | bigint;
	},
): boolean {
	const journal = env.JOURNAL_STREAM;
	if (!journal) return false;
	try {
		const { dev, ino } = fstat(STDERR);
		return journal === `${dev}:${ino}`;
	} catch {
		return false; // standard error is closed
	}
}
