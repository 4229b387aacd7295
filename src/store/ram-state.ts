import {
	copyFileSync,
	lstatSync,
	mkdirSync,
	readdirSync,
	rmdirSync,
	rmSync,
	statSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { Database } from "better-sqlite3";
import { backUp } from "./backup.ts";
import {
	completeCheckpoint,
	endCheckpoints,
	identityOf,
	nextPath,
	noteOrigins,
	previousPath,
	readOrigins,
	takeCheckpoint,
	unfinishedCheckpoint,
} from "./checkpoint-files.ts";
import { errorCode, noteDamage, notePath } from "./damage-signs.ts";
import {
	finishRestore,
	finishSalvage,
	type OpenedDatabase,
	type OpenOptions,
	openOrSalvage,
	openSound,
	resetState,
} from "./database.ts";
import { inWords, refuseRival } from "./open-error.ts";
import { exists, setAside } from "./quarantine.ts";
import { StoreRefusal } from "./store-refusal.ts";

/**
 * `state = ram+checkpoint`: the database is a file in memory, which outlives the process
 * and not the machine, and is saved to data_dir now and then. Worker thread only.
 */

const PARTS = ["", "-wal"];

export interface OpenedRam extends OpenedDatabase {
	/** The process before has left it in memory: it is newer than any checkpoint. */
	readonly isLeft: boolean;
}

/**
 * Opens the database in memory: the one that the process before has left, else the newest
 * good checkpoint.
 * @param path in memory
 * @param checkpoint in data_dir, which need not be writable
 * @throws StoreRefusal
 */
export function openRamDatabase(
	path: string,
	checkpoint: string,
	options: OpenOptions,
): OpenedRam {
	try {
		refuseRival(checkpoint);
		makePrivate(dirname(path));
		const notices = [...tidy(checkpoint, options)];
		const left = openLeft(path, checkpoint, options, notices);
		const opened = left ?? fetch(path, checkpoint, options);
		noteOrigins(path, [identityOf(checkpoint)]);
		notices.push(opened.notice);
		return {
			database: opened.database,
			notice: notices.filter(Boolean).join("; "),
			isLeft: left !== null,
		};
	} catch (error) {
		if (isFull(error)) throw noRoom(path, checkpoint, error);
		throw inWords(error, path);
	}
}

function isFull(error: unknown): boolean {
	const { code } = error as NodeJS.ErrnoException;
	return code === "ENOSPC" || errorCode(error).startsWith("SQLITE_FULL");
}

function noRoom(path: string, checkpoint: string, cause: unknown) {
	return new StoreRefusal(
		"unusable",
		`the state of ${dirname(checkpoint)} has no room in ${dirname(path)}, which is in memory: set state.ram_dir to a larger folder, or state = disk`,
		{ cause },
	);
}

/** Others may write to the folder above it: what is there must be ours. */
function makePrivate(folder: string): void {
	mkdirSync(folder, { recursive: true, mode: 0o700 });
	const stat = lstatSync(folder);
	const isOurs = stat.isDirectory() && stat.uid === process.geteuid?.();
	if (isOurs && (stat.mode & 0o022) === 0) return;
	throw new StoreRefusal(
		"unusable",
		`${folder} belongs to somebody else: remove it, or set state.ram_dir to a folder of the broker's own`,
	);
}

/** Finishes in data_dir what was cut off there; one that is read-only is left as it is. */
function tidy(checkpoint: string, options: OpenOptions): string[] {
	try {
		takeCheckpoint(checkpoint, options.wallMs);
		return [
			finishRestore(checkpoint, options),
			options.resetState ? resetState(checkpoint, options) : "",
			finishSalvage(checkpoint, options),
		];
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		if (options.resetState || code === undefined) throw error;
		return [];
	}
}

/** @returns null when there is none that goes on from what data_dir holds */
function openLeft(
	path: string,
	checkpoint: string,
	options: OpenOptions,
	notices: string[],
): OpenedDatabase | null {
	if (!exists(path)) return null;
	refuseRival(path);
	const origins = readOrigins(path);
	if (origins.includes(identityOf(checkpoint)) && !options.resetState)
		return moveQuarantine(openOrSalvage(path, options), path, checkpoint);
	// Without origins it was never used: a start was cut off.
	if (origins.length > 0) {
		const place = saveAside(path, checkpoint, options.wallMs);
		notices.push(
			`what the process before has left in memory does not go on from ${checkpoint}: it is in ${place}, and is not used`,
		);
	}
	removeRamFiles(path);
	return null;
}

/** Copies the newest good checkpoint into memory and opens it. */
function fetch(
	path: string,
	checkpoint: string,
	options: OpenOptions,
): OpenedDatabase {
	// The copy has no log of a process that was killed, and needs none.
	const ours = { ...options, afterCrash: false };
	const newest = exists(nextPath(checkpoint))
		? nextPath(checkpoint)
		: checkpoint;
	copyState(newest, path);
	const first = openSound(path, ours);
	if (typeof first !== "string") return { database: first, notice: "" };
	noteDamage(checkpoint, first);
	const words = `the checkpoint ${newest} is damaged (${first})`;
	if (exists(previousPath(checkpoint))) {
		copyState(previousPath(checkpoint), path);
		const second = openSound(path, ours);
		if (typeof second !== "string")
			return {
				database: second,
				notice: `${words}: the broker goes on from the one before, ${describeAge(previousPath(checkpoint))}; the next checkpoint moves it to the folder quarantine`,
			};
	}
	copyState(newest, path);
	return moveQuarantine(openOrSalvage(path, ours), path, checkpoint);
}

function describeAge(path: string): string {
	return `of ${new Date(statSync(path).mtimeMs).toISOString()}`;
}

function copyState(from: string, to: string): void {
	removeRamFiles(to);
	for (const suffix of PARTS)
		if (exists(from + suffix)) copyFileSync(from + suffix, to + suffix);
	if (exists(notePath(from))) copyFileSync(notePath(from), notePath(to));
}

/** @returns where the state is now that was left in memory */
function saveAside(path: string, checkpoint: string, wallMs: number): string {
	const folder = join(dirname(checkpoint), "set-aside");
	const time = new Date(wallMs).toISOString().replace(/[:.]/g, "-");
	const place = join(folder, `broker.db.${time}`);
	try {
		mkdirSync(folder, { recursive: true, mode: 0o750 });
		for (const suffix of PARTS)
			if (exists(path + suffix)) copyFileSync(path + suffix, place + suffix);
		return place;
	} catch (error) {
		return `no place any more: ${(error as Error).message}`;
	}
}

/** What was damaged in memory is not kept there. */
function moveQuarantine(
	{ database, notice }: OpenedDatabase,
	path: string,
	checkpoint: string,
): OpenedDatabase {
	const from = join(dirname(path), "quarantine");
	if (!exists(from)) return { database, notice };
	const to = join(dirname(checkpoint), "quarantine");
	try {
		mkdirSync(to, { recursive: true, mode: 0o750 });
		for (const name of readdirSync(from))
			copyFileSync(join(from, name), join(to, name));
	} catch {
		// A data_dir that cannot be written: the memory is worth more than the copy.
	}
	rmSync(from, { recursive: true, force: true });
	const words = notice.replaceAll(from, to).replaceAll(path, checkpoint);
	return { database, notice: words };
}

/** The state is safe elsewhere. */
export function removeRamFolder(path: string): void {
	removeRamFiles(path);
	try {
		rmdirSync(dirname(path));
	} catch {
		// Somebody has put something else there.
	}
}

/** The state is safe elsewhere, or given up. */
function removeRamFiles(path: string): void {
	for (const suffix of [...PARTS, "-journal", ".damaged", ".origins"])
		rmSync(path + suffix, { force: true });
}

/**
 * Saves the open database to data_dir, while commits go on.
 * @returns what a person should know about it; empty when nothing
 * @throws what SQLite or the system says; the checkpoints before are as they were
 */
export async function saveCheckpoint(
	database: Database,
	path: string,
	checkpoint: string,
	wallMs: () => number,
): Promise<string> {
	mkdirSync(dirname(checkpoint), { recursive: true, mode: 0o750 });
	takeCheckpoint(checkpoint, wallMs());
	const notice = yieldToForeign(path, checkpoint, wallMs());
	const target = unfinishedCheckpoint(checkpoint);
	try {
		await backUp(database, target);
	} catch (error) {
		// A disk without room for three of them gets along with two.
		if (!isFull(error) || !exists(previousPath(checkpoint))) throw error;
		rmSync(previousPath(checkpoint), { force: true });
		await backUp(database, target);
	}
	// Before it takes its place: a start finds out by it that what is in memory is newer.
	noteOrigins(path, [identityOf(checkpoint), identityOf(target)]);
	completeCheckpoint(checkpoint, wallMs());
	noteOrigins(path, [identityOf(checkpoint)]);
	return notice;
}

/** A state that somebody has put there meanwhile is kept. */
function yieldToForeign(
	path: string,
	checkpoint: string,
	wallMs: number,
): string {
	if (readOrigins(path).includes(identityOf(checkpoint))) return "";
	endCheckpoints(checkpoint, wallMs);
	const place = setAside(checkpoint, wallMs);
	return place === null
		? ""
		: `somebody has replaced ${checkpoint} while the broker ran: that file is in ${place}, and the state of the broker takes its place; stop the broker before broker state restore`;
}
