import type { Database, Statement } from "better-sqlite3";

/**
 * Decides when the write-ahead log is copied into the database. Worker thread only.
 *
 * SQLite's own checkpoint runs inside a commit, and the tickets of that batch would wait
 * for it. This one runs after the answer, when no batch is waiting, and inside the
 * traffic only when the log has become four times as long. The log file keeps its length:
 * writing over blocks that exist spares the file system's own journal at every sync.
 */

/** Pages in the log that are worth an idle moment: 4 MiB. */
const PAGES_WHEN_IDLE = 1000;
/** Pages at which it is done even when batches are waiting: 16 MiB. */
const PAGES_AT_MOST = 4000;

export class Checkpoint {
	/** Tells the length of the log without doing anything; 1 us. */
	readonly #look: Statement<[], [number, number, number]>;
	readonly #run: Statement<[]>;

	constructor(database: Database) {
		this.#look = database
			.prepare<[], [number, number, number]>("PRAGMA wal_checkpoint(NOOP)")
			.raw() as Statement<[], [number, number, number]>;
		this.#run = database.prepare("PRAGMA wal_checkpoint(PASSIVE)");
	}

	runIfDue(isIdle: boolean): void {
		const log = this.#look.get();
		if (log === undefined) return;
		const [, pages, copied] = log;
		const due = pages - copied;
		if (due < (isIdle ? PAGES_WHEN_IDLE : PAGES_AT_MOST)) return;
		this.#run.all();
	}
}
