import { close, fsync, openSync, rmSync } from "node:fs";
import type { Database } from "better-sqlite3";

/**
 * Copies the open database into another file while commits go on, by SQLite's online
 * backup: a few pages between two requests. What is changed meanwhile SQLite writes to
 * both. Worker thread only.
 *
 * The end of a backup syncs the copy, on this thread. So that it has little left to do
 * then, what was copied is synced on the way, on another thread, and the copying waits.
 */

/** Pages in one go: a fraction of a millisecond, unless the disk has to be asked. */
const SLICE_PAGES = 50;
/** Pages between two syncs: 4 MB. */
const SYNC_PAGES = 1000;
/** A sleep while a sync is under way; a request waits so long at most. */
const NAP_MS = 2;

/** The copy of a database while it is being made. */
export function backupPath(path: string): string {
	return `${path}.backup`;
}

/** A backup on its way to be the state, while it is copied and checked. */
export function restoringPath(path: string): string {
	return `${path}.restoring`;
}

/** Takes away what a backup left that was cut off, or the copy of one. */
export function removeBackup(target: string): void {
	for (const suffix of ["", "-wal", "-journal"]) {
		rmSync(target + suffix, { force: true });
	}
}

/**
 * @param target is replaced
 * @throws SQLite's errors; the copy is gone then
 */
export async function backUp(
	database: Database,
	target: string,
): Promise<void> {
	removeBackup(target);
	const pace = new Pace(target);
	try {
		await database.backup(target, {
			progress: ({ totalPages, remainingPages }) =>
				pace.pagesAfter(totalPages - remainingPages),
		});
	} catch (error) {
		removeBackup(target);
		throw error;
	} finally {
		pace.end();
	}
}

/** As {@link backUp}. @throws Error in words */
export async function backUpInWords(
	database: Database,
	target: string,
): Promise<null> {
	try {
		await backUp(database, target);
		return null;
	} catch (error) {
		const { message } = error as Error;
		throw new Error(`no backup was made: ${message}`, { cause: error });
	}
}

class Pace {
	readonly #target: string;
	readonly #bed = new Int32Array(new SharedArrayBuffer(4));
	#file = -1;
	#syncedPages = 0;
	#isSyncing = false;
	#hasEnded = false;

	constructor(target: string) {
		this.#target = target;
	}

	/** How many pages may be copied next; 0 for none yet. */
	pagesAfter(copiedPages: number): number {
		if (this.#isSyncing) {
			Atomics.wait(this.#bed, 0, 0, NAP_MS);
			return 0;
		}
		if (copiedPages - this.#syncedPages >= SYNC_PAGES) this.#sync(copiedPages);
		return SLICE_PAGES;
	}

	end(): void {
		this.#hasEnded = true;
		if (!this.#isSyncing) this.#close();
	}

	#sync(copiedPages: number): void {
		// The file is there once the first pages are: no lock of ours is on it.
		if (this.#file < 0) this.#file = openSync(this.#target, "r");
		this.#syncedPages = copiedPages;
		this.#isSyncing = true;
		fsync(this.#file, () => {
			// A disk that fails says so when SQLite writes to it.
			this.#isSyncing = false;
			if (this.#hasEnded) this.#close();
		});
	}

	#close(): void {
		if (this.#file >= 0) close(this.#file, () => {});
		this.#file = -1;
	}
}
