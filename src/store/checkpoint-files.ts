import { readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { removeBackup } from "./backup.ts";
import { forgetDamage, notePath } from "./damage-signs.ts";
import { exists, quarantine, syncPath } from "./quarantine.ts";

/**
 * The files of `state = ram+checkpoint` in data_dir. The newest checkpoint has the name
 * that the database has otherwise, so that all tools work on it, and each step is a rename
 * that the next start finishes:
 *
 *     broker.db.checkpoint --complete, synced--> broker.db.next --> broker.db --> broker.db.previous
 *
 * As long as `broker.db.next` is there it is what counts. Worker thread only.
 */

/** A checkpoint while it is being written. */
export function unfinishedCheckpoint(path: string): string {
	return `${path}.checkpoint`;
}

/** A complete one that has not taken its place yet. */
export function nextPath(path: string): string {
	return `${path}.next`;
}

/** The one before. */
export function previousPath(path: string): string {
	return `${path}.previous`;
}

/** The unfinished checkpoint is on the disk as a whole: from here on it counts. */
export function completeCheckpoint(path: string, wallMs: number): void {
	syncPath(unfinishedCheckpoint(path));
	renameSync(unfinishedCheckpoint(path), nextPath(path));
	syncPath(dirname(path));
	takeCheckpoint(path, wallMs);
}

/**
 * Puts a complete checkpoint into its place, if there is one: finishes what was cut off.
 * The one that is there becomes the previous one; a damaged one goes to the quarantine.
 */
export function takeCheckpoint(path: string, wallMs: number): void {
	if (!exists(nextPath(path))) return;
	if (exists(notePath(path))) quarantine(path, wallMs);
	else if (exists(path)) {
		removeBackup(previousPath(path));
		// A log that stayed beside another file would be copied into it.
		for (const suffix of ["-wal", "-journal", ""])
			if (exists(path + suffix))
				renameSync(path + suffix, previousPath(path) + suffix);
	}
	forgetDamage(path);
	syncPath(dirname(path));
	renameSync(nextPath(path), path);
	syncPath(dirname(path));
}

/** The state is about to be set aside: no checkpoint of it may come back at a start. */
export function endCheckpoints(path: string, wallMs: number): void {
	takeCheckpoint(path, wallMs);
	removeBackup(previousPath(path));
	removeBackup(unfinishedCheckpoint(path));
}

/** What tells this file from any that takes its place; "none" when there is none. */
export function identityOf(path: string): string {
	const stat = statSync(path, { throwIfNoEntry: false });
	return stat === undefined
		? "none"
		: `${stat.ino}-${stat.size}-${stat.mtimeMs}`;
}

/** Which checkpoints the database in memory goes on from. */
export function readOrigins(ramPath: string): readonly string[] {
	const file = originsPath(ramPath);
	return exists(file) ? readFileSync(file, "utf8").split("\n") : [];
}

export function noteOrigins(ramPath: string, origins: readonly string[]): void {
	const file = originsPath(ramPath);
	writeFileSync(`${file}.new`, origins.join("\n"), { mode: 0o600 });
	renameSync(`${file}.new`, file);
}

function originsPath(ramPath: string): string {
	return `${ramPath}.origins`;
}
