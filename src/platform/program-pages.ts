/**
 * Pages of the program's own files: most of them were needed at the start only, and the
 * kernel counts what was touched once to the process for as long as memory is plenty.
 */
import { readFileSync } from "node:fs";
import { loadFfi } from "./ffi.ts";

const MADV_DONTNEED = 4;

type Unmap = (from: bigint, bytes: bigint) => number;

let unmap: Unmap | null | undefined;

/**
 * Lets go of all pages that are as they are in their files; those that are used are mapped
 * again as they are touched, from the kernel's cache. Does nothing where the C library
 * cannot be called.
 */
export function releaseProgramPages(): void {
	if (unmap === undefined) unmap = findUnmap();
	if (unmap === null) return;
	for (const [from, to] of unchangedFileRanges(readSmaps()))
		unmap(from, to - from); // what it refuses stays as it is
}

function findUnmap(): Unmap | null {
	try {
		const { functions } =
			loadFfi()?.dlopen(null, {
				madvise: { return: "i32", arguments: ["u64", "u64", "i32"] },
			}) ?? {};
		if (functions === undefined) return null;
		return (from, bytes) => functions.madvise(from, bytes, MADV_DONTNEED);
	} catch {
		return null;
	}
}

function readSmaps(): string {
	try {
		return readFileSync("/proc/self/smaps", "latin1");
	} catch {
		return "";
	}
}

/**
 * The mappings of files that cannot be written and of which no page is the process's own:
 * letting go of a relocated page would undo its relocation.
 * @param smaps the content of /proc/PID/smaps [proc(5)]
 */
export function unchangedFileRanges(smaps: string): [bigint, bigint][] {
	const ranges: [bigint, bigint][] = [];
	let range: [bigint, bigint] | null = null;
	for (const line of smaps.split("\n")) {
		const head = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ (\d+)/.exec(line);
		if (head !== null) {
			const [, from, to, mode = "", inode] = head;
			const isProgram = mode[1] === "-" && mode[3] === "p" && inode !== "0";
			range = isProgram ? [BigInt(`0x${from}`), BigInt(`0x${to}`)] : null;
		} else if (range !== null && /^Anonymous: +0 kB/.test(line)) {
			ranges.push(range);
		}
	}
	return ranges;
}
