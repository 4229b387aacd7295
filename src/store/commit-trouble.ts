import { statfsSync, statSync } from "node:fs";
import { errorCode } from "./damage-signs.ts";

/**
 * Failed commits: which of them may succeed later, and what to tell a person.
 * Worker thread only.
 */

const PASSING = [
	"SQLITE_FULL",
	"SQLITE_IOERR",
	"SQLITE_READONLY",
	"SQLITE_CANTOPEN",
	"SQLITE_BUSY",
	"SQLITE_LOCKED",
	"SQLITE_NOMEM",
];

/** The disk's fault, not the batch's: the same batch is worth another try. */
export function mayPass(error: unknown): boolean {
	const code = errorCode(error);
	return PASSING.some((prefix) => code.startsWith(prefix));
}

/** @param maxBytes the limit of the file; 0 for none */
export function describeTrouble(
	error: unknown,
	path: string,
	maxBytes: number,
): string {
	const what = (error as Error).message;
	return `the database cannot be written: ${what}: ${path}${describeSpace(path, maxBytes)}; ${advice(error, path, maxBytes)}; acknowledgements wait and writing is tried again every second`;
}

function advice(error: unknown, path: string, maxBytes: number): string {
	if (path === ":memory:")
		return "what waits for absent clients fills the memory that there is for it: raise memory_limit";
	if (!errorCode(error).startsWith("SQLITE_FULL"))
		return "look at the disk and at the permissions of the folder";
	return maxBytes > 0
		? "free space on the disk or raise store.max_bytes"
		: "free space on the disk";
}

function describeSpace(path: string, maxBytes: number): string {
	if (path === ":memory:") return ` (limit ${mebibytes(maxBytes)})`;
	try {
		const disk = statfsSync(path);
		const free = mebibytes(disk.bavail * disk.bsize);
		const limit = maxBytes > 0 ? `, limit ${mebibytes(maxBytes)}` : "";
		const size = mebibytes(statSync(path).size);
		return ` (${free} free on its disk, the file has ${size}${limit})`;
	} catch {
		return "";
	}
}

function mebibytes(bytes: number): string {
	return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}
