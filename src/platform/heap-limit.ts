/**
 * V8's own limits: a ceiling of the heap, far above what the budgets let grow, so that
 * a leak ends the process with words instead of the machine's memory; and a small
 * nursery. With them goes what malloc is told. The single executable has the nursery among
 * its own flags, and a ceiling without effect that is lowered (heap-ceiling.ts). Sources and
 * a bundle do not: their process begins again as itself, same process id, same open files,
 * with the limits in NODE_OPTIONS, which costs each start 90 ms of CPU time.
 */
import { isSea } from "node:sea";
import { lowerHeapCeiling, useOneArena } from "./heap-ceiling.ts";
import { keepForNextProgram, passedSockets } from "./passed-sockets.ts";

const HEAP_FLAG = "--max-old-space-size";
const NURSERY_FLAG = "--max-semi-space-size";
/**
 * Of each part of the nursery, in MB; V8 would let it grow to 16. Under load that saves
 * 20 to 50 MB of RSS and costs no measurable CPU time (ARCHITECTURE.md, "Memory").
 */
const NURSERY_MEGABYTES = 2;

/**
 * malloc keeps what it was given back in a heap for each thread; with one heap for all
 * the RSS is 8 to 20 MB lower, and the two threads that there are hardly wait for it.
 */
const ARENAS_VARIABLE = "MALLOC_ARENA_MAX";

/** What a process has been given for its own start. */
export interface Launch {
	readonly execPath: string;
	readonly execArgv: readonly string[];
	readonly argv: readonly string[];
	readonly env: NodeJS.ProcessEnv;
}

/**
 * The launch that sets the limits; null when they are set, by an earlier launch or by
 * whoever started the process and knows better.
 */
export function launchWithHeapLimit(
	launch: Launch,
	heapMegabytes: number,
): Pick<Launch, "argv" | "env"> | null {
	const { execPath, execArgv, argv } = launch;
	const options = launch.env.NODE_OPTIONS ?? "";
	const given = [...execArgv, ...options.split(/\s+/)];
	const has = (flag: string) =>
		given.some((each) => each.replaceAll("_", "-").startsWith(flag));
	if (has(HEAP_FLAG)) return null;
	const added = [`${HEAP_FLAG}=${heapMegabytes}`];
	if (!has(NURSERY_FLAG)) added.push(`${NURSERY_FLAG}=${NURSERY_MEGABYTES}`);
	const env = {
		[ARENAS_VARIABLE]: "1",
		...launch.env,
		NODE_OPTIONS: [options, ...added].join(" ").trim(),
	};
	return { argv: [execPath, ...execArgv, ...argv.slice(1)], env };
}

/**
 * Sets the limits: in place in the single executable, whose nursery is small from the
 * beginning; else by beginning again, and then returns when they are set, or cannot be.
 * @returns why they cannot, in words; empty when they are set
 */
export function limitHeap(heapMegabytes: number): string {
	if (isSea()) return limitInPlace(heapMegabytes, process.env);
	if (typeof process.execve !== "function") return "";
	const next = launchWithHeapLimit(process, heapMegabytes);
	if (next === null) return "";
	if (!keepForNextProgram(passedSockets(process.env)))
		return "the sockets that systemd has handed over would be lost";
	try {
		return process.execve(process.execPath, next.argv, next.env);
	} catch (error) {
		return `${process.execPath} cannot be run again: ${(error as Error).message}`;
	}
}

function limitInPlace(heapMegabytes: number, env: NodeJS.ProcessEnv): string {
	if (env[ARENAS_VARIABLE] === undefined) useOneArena();
	const wanted = givenHeapLimit(env.NODE_OPTIONS ?? "") ?? heapMegabytes;
	return lowerHeapCeiling(wanted) ? "" : "this runtime cannot change them";
}

/** What whoever started the process has asked for, in MB: flags of the executable come before it. */
export function givenHeapLimit(options: string): number | null {
	const given = new RegExp(`${HEAP_FLAG.replaceAll("-", "[-_]")}[= ](\\d+)`);
	const megabytes = given.exec(options)?.[1];
	return megabytes === undefined ? null : Number(megabytes);
}
