/**
 * A memory control group of its own for a process under test: the kernel kills what
 * is in it when it needs more than the limit. Version 1 and 2; needs root, or a
 * version 2 group that was delegated to the user.
 */
import {
	existsSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	rmdirSync,
	writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";

export interface MemoryCgroup {
	/** Words put before a command that is to run in the group. */
	readonly prefix: string[];
	/** Processes of the group that the kernel has killed. */
	kills(): number;
	/** Bytes charged to the group, page cache included. */
	usedBytes(): number;
	/** When its processes have ended. */
	remove(): void;
}

interface Hierarchy {
	/** The group that this process is in. */
	readonly own: string;
	readonly limitFile: string;
	readonly usedFile: string;
	readonly killsFile: string;
}

const NAME = "broker-test-";
let lastNumber = 0;
const V1_ROOT = "/sys/fs/cgroup/memory";
const V2_ROOT = "/sys/fs/cgroup";

/** @throws Error in words when no group can be made here */
export function makeMemoryCgroup(limitBytes: number): MemoryCgroup {
	const { own, limitFile, usedFile, killsFile } = hierarchy();
	removeAbandoned(own);
	const folder = join(own, `${NAME}${process.pid}-${++lastNumber}`);
	const limitPath = join(folder, limitFile);
	try {
		mkdirSync(folder);
		if (!existsSync(limitPath)) enableMemory(own);
		if (!existsSync(limitPath)) {
			throw new Error(`the memory controller is off in ${own}`);
		}
		writeFileSync(limitPath, String(limitBytes));
		// A process in swap would hide from its limit.
		const swap = join(folder, "memory.swap.max");
		if (existsSync(swap)) writeFileSync(swap, "0");
	} catch (error) {
		if (existsSync(folder)) rmdirSync(folder);
		const words = `no memory cgroup can be made in ${own}: ${(error as Error).message}`;
		throw new Error(`${words}; run it as root, or in a delegated cgroup`);
	}
	return {
		prefix: [
			"/bin/sh",
			"-c",
			`echo $$ > ${folder}/cgroup.procs && exec "$@"`,
			"sh",
		],
		kills: () => countIn(join(folder, killsFile), "oom_kill"),
		usedBytes: () => Number(readFileSync(join(folder, usedFile), "latin1")),
		remove: () => rmdirSync(folder),
	};
}

/** Groups of tests that were killed; those in use cannot be removed. */
function removeAbandoned(own: string): void {
	for (const name of readdirSync(own)) {
		if (!name.startsWith(NAME)) continue;
		try {
			rmdirSync(join(own, name));
		} catch {
			// In use.
		}
	}
}

/** Version 2: a group says which controllers its groups have. */
function enableMemory(group: string): void {
	const control = join(group, "cgroup.subtree_control");
	if (existsSync(control)) writeFileSync(control, "+memory");
}

function hierarchy(): Hierarchy {
	const lines = readFileSync("/proc/self/cgroup", "latin1").split("\n");
	const pathOf = (pattern: RegExp) =>
		lines.map((line) => pattern.exec(line)?.[1]).find(Boolean);
	const v1 = pathOf(/^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/);
	if (v1 !== undefined) {
		return {
			own: mounted(V1_ROOT, v1),
			limitFile: "memory.limit_in_bytes",
			usedFile: "memory.usage_in_bytes",
			killsFile: "memory.oom_control",
		};
	}
	// Version 2 lets no processes into a group that has groups: ours goes next to our own.
	const v2 = mounted(V2_ROOT, pathOf(/^0::(.*)$/) ?? "/");
	return {
		own: v2 === V2_ROOT ? v2 : dirname(v2),
		limitFile: "memory.max",
		usedFile: "memory.current",
		killsFile: "memory.events",
	};
}

/** In a container the group's own path may not be visible, only what is below it. */
function mounted(root: string, path: string): string {
	const full = join(root, path);
	return existsSync(full) ? full.replace(/\/$/, "") : root;
}

/** The number behind a word in a file of `word number` lines; 0 without it. */
function countIn(file: string, word: string): number {
	const text = readFileSync(file, "latin1");
	return Number(new RegExp(`^${word} (\\d+)$`, "m").exec(text)?.[1] ?? 0);
}
