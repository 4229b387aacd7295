import {
	closeSync,
	fsyncSync,
	mkdirSync,
	openSync,
	readdirSync,
	renameSync,
	rmSync,
	statSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";

/**
 * Moves database files aside, and a salvaged one into their place. Every step is a rename,
 * so that a start that is cut off is finished by the next one. Worker thread only.
 */

/** Damaged files are kept for whoever wants to look into them: the newest few. */
const KEPT = 3;
const COMPANIONS = ["", "-wal", "-shm", "-journal"];
/** A file and its companions have their name and time in common. */
const NAME = /^(.*\.\d{4,6}-\d\d-\d\dT[\d-]+Z(?:-\d+)?)(-wal|-shm|-journal)?$/;

/** The salvaged file while it is being written. */
export function unfinishedPath(path: string): string {
	return `${path}.salvage`;
}

/** The salvaged file when it is complete and has not taken its place yet. */
function completePath(path: string): string {
	return `${path}.salvaged`;
}

/** A backup that is to be the state, when it is complete and has not taken its place yet. */
export function restoredPath(path: string): string {
	return `${path}.restored`;
}

/** @returns where the file is now; null when there was none */
export function quarantine(path: string, wallMs: number): string | null {
	const folder = join(dirname(path), "quarantine");
	const place = moveAside(path, folder, wallMs);
	pruneQuarantine(path, KEPT, place);
	return place;
}

/** Moves the state aside for good: nothing ever deletes it. @returns as in {@link quarantine} */
export function setAside(path: string, wallMs: number): string | null {
	return moveAside(path, join(dirname(path), "set-aside"), wallMs);
}

/** @param spared stays in any case: the clock may have been wrong */
export function pruneQuarantine(
	path: string,
	kept: number,
	spared: string | null,
): void {
	const folder = join(dirname(path), "quarantine");
	if (!exists(folder)) return;
	const sets = new Set<string>();
	for (const name of readdirSync(folder)) {
		const set = NAME.exec(name)?.[1];
		if (set !== undefined && join(folder, set) !== spared) sets.add(set);
	}
	const newestFirst = [...sets].sort().reverse();
	for (const set of newestFirst.slice(spared === null ? kept : kept - 1))
		for (const suffix of COMPANIONS)
			rmSync(join(folder, set + suffix), { force: true });
}

/** The unfinished file is complete: from here on it is what counts, whatever happens. */
export function complete(path: string): void {
	syncPath(unfinishedPath(path));
	renameSync(unfinishedPath(path), completePath(path));
	syncPath(dirname(path));
}

/**
 * Puts a complete salvaged file into the place of the damaged one.
 * @returns where the damaged one is; null when there is nothing to do
 */
export function takeOver(path: string, wallMs: number): string | null {
	if (!exists(completePath(path))) return null;
	const place = quarantine(path, wallMs) ?? "nowhere: it had gone";
	renameSync(completePath(path), path);
	syncPath(dirname(path));
	return place;
}

/**
 * Has the names of the database's files on the disk, not only what is in them: a file
 * whose folder was not synced may be gone after a power cut.
 */
export function syncNames(path: string): void {
	syncPath(dirname(path));
	try {
		syncPath(dirname(dirname(path)));
	} catch {
		// Another user's folder: then it was not made here.
	}
}

/**
 * Puts a restored backup into the place of the state that is there.
 * @returns where that state is now; null when there was none, or nothing is to be done
 */
export function takeRestored(path: string, wallMs: number): string | null {
	const complete = restoredPath(path);
	if (!exists(complete)) return null;
	syncPath(complete);
	syncPath(dirname(path));
	const place = setAside(path, wallMs);
	// A salvage that was cut off would take the place at the next start.
	rmSync(completePath(path), { force: true });
	renameSync(complete, path);
	syncPath(dirname(path));
	return place;
}

export function exists(path: string): boolean {
	return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function moveAside(
	path: string,
	folder: string,
	wallMs: number,
): string | null {
	const present = COMPANIONS.filter((suffix) => exists(path + suffix));
	if (present.length === 0) return null;
	mkdirSync(folder, { recursive: true, mode: 0o750 });
	const time = new Date(wallMs).toISOString().replace(/[:.]/g, "-");
	const first = join(folder, `${basename(path)}.${time}`);
	let place = first;
	for (let number = 2; COMPANIONS.some((end) => exists(place + end)); number++)
		place = `${first}-${number}`;
	// The file itself goes last: as long as it is there, the next start comes here again.
	for (const suffix of present.reverse())
		renameSync(path + suffix, place + suffix);
	// Before anything takes their place: an old log beside a new file would be copied into it.
	syncPath(folder);
	syncPath(dirname(path));
	return place;
}

export function syncPath(path: string): void {
	const file = openSync(path, "r");
	try {
		fsyncSync(file);
	} finally {
		closeSync(file);
	}
}
