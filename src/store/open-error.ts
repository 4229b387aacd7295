import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { howToMend } from "../platform/folder.ts";
import { errorCode } from "./damage-signs.ts";
import { StoreRefusal } from "./store-refusal.ts";

/**
 * Why a database cannot be opened, in words that say what to do. Worker thread only.
 */

/** Before files are moved: a broker that has them open would go on writing to them. */
export function refuseRival(path: string): void {
	const who = holder(path);
	if (who !== "") throw rival(path, who);
	refuseRivalInMemory(path);
}

/** A broker whose state is in memory has locked the folder that it is saved to. */
export function refuseRivalInMemory(path: string): void {
	const who = holder(dirname(path), process.pid);
	if (who !== "") throw rival(path, who);
}

function rival(path: string, who: string, cause?: unknown): StoreRefusal {
	const words = `another broker uses ${path}${who}: stop it, or give this one another data_dir`;
	return new StoreRefusal("rival", words, { cause });
}

export function inWords(error: unknown, path: string): StoreRefusal {
	if (error instanceof StoreRefusal) return error;
	const { message } = error as Error;
	const code = errorCode(error);
	if (code.startsWith("SQLITE_BUSY")) return rival(path, holder(path), error);
	const words = `cannot open the database ${path}: ${message}; ${howToMend(dirname(path))}`;
	return new StoreRefusal("unusable", words, { cause: error });
}

/**
 * Who holds a lock on the file, or on the folder of a state that is in memory, as far as
 * Linux tells; empty for nobody.
 * @param ownPid a process that does not count
 */
function holder(path: string, ownPid = 0): string {
	try {
		const { ino, dev } = statSync(path);
		for (const line of readFileSync("/proc/locks", "utf8").split("\n")) {
			const [, , , , pid = "", file] = line.trim().split(/\s+/);
			if (file?.split(":")[2] !== String(ino) || Number(pid) === ownPid)
				continue;
			if (mayHaveOpen(pid, ino, dev)) return ` (process ${pid})`;
		}
	} catch {
		// No /proc, or no file: the words do without.
	}
	return "";
}

/** Two disks may have files of one number, and the list of locks names disks in its own way. */
function mayHaveOpen(pid: string, ino: number, dev: number): boolean {
	let files: string[];
	try {
		files = readdirSync(`/proc/${pid}/fd`);
	} catch {
		return true;
	}
	return files.some((file) => {
		const open = statSync(`/proc/${pid}/fd/${file}`, { throwIfNoEntry: false });
		return open?.ino === ino && open.dev === dev;
	});
}
