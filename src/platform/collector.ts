/** What V8's collector and malloc are asked for beyond their own judgement. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { loadFfi } from "./ffi.ts";
import { releaseProgramPages } from "./program-pages.ts";

/**
 * Has the heaps of all threads collected sooner: they stay about a quarter smaller, and
 * the program pays with 10 to 30 % of CPU time. Off is V8's own way.
 */
export function preferMemory(isOn: boolean): void {
	setFlagsFromString(isOn ? "--memory-saver-mode" : "--no-memory-saver-mode");
}

/** V8's own function of a context with the flag `--expose-gc`. */
type Collect = (options: {
	type: "major";
	flavor: "regular" | "last-resort";
}) => void;

let collect: Collect | undefined;
let trim: (() => void) | undefined;

/**
 * Gives memory that nobody uses back to the system: collects this thread's heap, has malloc
 * return its free pages, which it keeps for ever where something lives above them, and lets
 * go of the program's own. Takes about a millisecond for each MB of heap, in which nothing
 * else runs.
 * @param isThorough as in {@link collectGarbage}
 */
export function returnFreeMemory(isThorough: boolean): void {
	collectGarbage(isThorough);
	trimMemory();
	releaseProgramPages();
}

/**
 * Has malloc return its free pages, some milliseconds: a thousand clients that come at once
 * leave 15 MB of them.
 */
export function trimMemory(): void {
	trim ??= findTrim();
	trim();
}

/**
 * Collects the heap of this thread.
 * @param isThorough code that ran once goes as well, and the nursery becomes as small as it
 * was in the beginning: takes several times as long
 */
export function collectGarbage(isThorough: boolean): void {
	collect ??= findCollect();
	const flavor = isThorough ? "last-resort" : "regular";
	collect({ type: "major", flavor });
}

function findCollect(): Collect {
	setFlagsFromString("--expose-gc");
	return runInNewContext("gc") as Collect;
}

/** glibc's; another C library has no such function, and no such need. */
function findTrim(): () => void {
	try {
		const { functions } =
			loadFfi()?.dlopen(null, {
				malloc_trim: { return: "i32", arguments: ["u64"] },
			}) ?? {};
		return () => functions?.malloc_trim(0n);
	} catch {
		return () => {};
	}
}
