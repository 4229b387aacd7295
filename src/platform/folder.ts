/** A folder that cannot be written: why, and the command that mends it. */
import {
	accessSync,
	constants,
	readdirSync,
	type Stats,
	statfsSync,
	statSync,
} from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { dirname, join, resolve } from "node:path";

/** Less than this is a full disk. */
const LEAST_FREE_BYTES = 1024 * 1024;
const PROBE_BYTES = 256 * 1024;

/**
 * What is in the way of writing to `folder` and the files in it, and what to do.
 * Looks only; never throws.
 */
export function howToMend(folder: string): string {
	const path = resolve(folder);
	const place = nearest(path);
	if (!place.stats.isDirectory())
		return `${place.path} is not a folder: move it away, or set data_dir to another place`;
	const code = whatForbids(place.path);
	if (code === "EROFS")
		return `its disk is mounted read-only: look with dmesg for why, then mount -o remount,rw ${mountPoint(place.path)}`;
	const user = userName();
	if (code !== "" && place.path !== path)
		return `user ${user} may not make it in ${place.path}: mkdir -p ${path} && chown -R ${user}: ${path}, or set data_dir`;
	if (code !== "" || hasForeignFile(path))
		return `user ${user} may not write there: chown -R ${user}: ${path}, or set data_dir`;
	if (freeBytes(place.path) < LEAST_FREE_BYTES)
		return `its disk is full: free space there (df -h ${place.path} shows how much there is)`;
	return "look at the disk (dmesg) and at the permissions of the folder";
}

/** Tries it, with a file of its own that is removed. */
export async function canWriteTo(folder: string): Promise<boolean> {
	const probe = join(folder, "write-test");
	try {
		await mkdir(folder, { recursive: true, mode: 0o750 });
		await writeFile(probe, Buffer.alloc(PROBE_BYTES), { mode: 0o600 });
		return !hasForeignFile(folder);
	} catch {
		return false;
	} finally {
		await rm(probe, { force: true }).catch(() => {});
	}
}

interface Place {
	readonly path: string;
	readonly stats: Stats;
}

/** The path itself, or what exists above it. */
function nearest(path: string): Place {
	for (let at = path; ; at = dirname(at)) {
		try {
			return { path: at, stats: statSync(at) };
		} catch (error) {
			if (at === dirname(at)) throw error;
		}
	}
}

/** The error of an attempt to write; empty for none. */
function whatForbids(path: string): string {
	try {
		accessSync(path, constants.W_OK | constants.X_OK);
		return "";
	} catch (error) {
		return (error as NodeJS.ErrnoException).code ?? "EACCES";
	}
}

function hasForeignFile(folder: string): boolean {
	try {
		return readdirSync(folder)
			.filter((name) => name.startsWith("broker.db"))
			.some((name) => !mayWrite(join(folder, name)));
	} catch {
		return false;
	}
}

function mayWrite(file: string): boolean {
	try {
		accessSync(file, constants.W_OK);
		return true;
	} catch {
		return false;
	}
}

function mountPoint(path: string): string {
	const { dev } = statSync(path);
	let at = path;
	while (at !== dirname(at) && statSync(dirname(at)).dev === dev)
		at = dirname(at);
	return at;
}

function freeBytes(path: string): number {
	const { bavail, bsize } = statfsSync(path);
	return bavail * bsize;
}

function userName(): string {
	try {
		return userInfo().username;
	} catch {
		return String(process.getuid?.() ?? "broker"); // a user without a name
	}
}
