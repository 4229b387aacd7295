/** Folders in memory: where they are, and how large. */
import { createHash } from "node:crypto";
import { accessSync, constants, type StatsFs, statfsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

/** Magic numbers of file systems that have no disk [statfs(2)]. */
const IN_MEMORY = [0x01021994, 0x858458f6];
const SHARED_MEMORY = "/dev/shm";

/**
 * A folder for what belongs to `dataDir`; it need not be there.
 * @param configured the folder that it is to be in; empty for one that the system has
 * @throws Error in words
 */
export function ramFolder(
	configured: string,
	dataDir: string,
	env: NodeJS.ProcessEnv,
): string {
	const hash = createHash("sha256").update(resolve(dataDir)).digest("hex");
	const name = `broker-state-${hash.slice(0, 12)}`;
	if (configured !== "") return join(configured, name);
	const { RUNTIME_DIRECTORY = "" } = env;
	const folders = [...RUNTIME_DIRECTORY.split(":"), SHARED_MEMORY];
	const found = folders.find((each) => each !== "" && isUsable(each));
	if (found !== undefined) return join(found, name);
	throw new Error(
		`state = ram+checkpoint: there is no folder in memory that the broker may write to (looked at ${folders.filter(Boolean).join(", ")}): set state.ram_dir to one on a tmpfs, or state = disk`,
	);
}

function isUsable(folder: string): boolean {
	try {
		accessSync(folder, constants.W_OK | constants.X_OK);
		return isInMemory(folder);
	} catch {
		return false;
	}
}

/** True for a tmpfs, also when the folder itself is not there yet. */
export function isInMemory(folder: string): boolean {
	return IN_MEMORY.includes(Number(fileSystemOf(folder)?.type));
}

/** Size of the file system that a folder is on, or will be; Infinity when it has no end. */
export function fileSystemBytes(folder: string): number {
	const found = fileSystemOf(folder);
	if (found === null || found.blocks === 0) return Number.POSITIVE_INFINITY;
	return found.blocks * found.bsize;
}

function fileSystemOf(folder: string): StatsFs | null {
	for (let at = resolve(folder); ; at = dirname(at)) {
		try {
			return statfsSync(at);
		} catch {
			if (at === dirname(at)) return null;
		}
	}
}
