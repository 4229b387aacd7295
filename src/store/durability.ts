import { closeSync, fsyncSync, openSync } from "node:fs";
import type { Database } from "better-sqlite3";

/**
 * When a commit reaches the medium itself. `strict`: before it is answered. `relaxed`: it
 * is answered when the system has it, and the medium has it `syncIntervalMs` later at the
 * latest. Worker thread only.
 *
 * SQLite never syncs the log of its own accord at a commit with NORMAL; the log is synced
 * here, through a descriptor of its own: that costs no page, as one commit with FULL would.
 * (No locks are lost by closing it: those are on the database file.)
 */

export class LogSync {
	readonly #path: string;
	readonly #intervalMs: number;
	readonly #onSynced: (trouble: string) => void;
	readonly #isRelaxed: boolean;
	#timer: NodeJS.Timeout | null = null;

	/**
	 * @param syncIntervalMs null for `strict`
	 * @param onSynced the medium has all that was committed, or why it may not (it is tried again)
	 */
	constructor(
		database: Database,
		syncIntervalMs: number | null,
		onSynced: (trouble: string) => void,
	) {
		this.#path = `${database.name}-wal`;
		this.#intervalMs = syncIntervalMs ?? 0;
		this.#onSynced = onSynced;
		this.#isRelaxed = this.#intervalMs > 0 && !database.memory;
		database.pragma(`synchronous = ${this.#isRelaxed ? "NORMAL" : "FULL"}`);
	}

	afterCommit(): void {
		if (this.#isRelaxed) this.#startTimer();
		else this.#onSynced("");
	}

	stop(): void {
		if (this.#timer !== null) clearTimeout(this.#timer);
		this.#timer = null;
	}

	#startTimer(): void {
		this.#timer ??= setTimeout(() => {
			this.#timer = null;
			this.#sync();
		}, this.#intervalMs);
	}

	#sync(): void {
		try {
			syncFile(this.#path);
		} catch (error) {
			const { message } = error as Error;
			this.#onSynced(
				`the database's log may not be on the disk: ${message}; look at the health of the disk`,
			);
			this.#startTimer();
			return;
		}
		this.#onSynced("");
	}
}

function syncFile(path: string): void {
	const file = openSync(path, "r");
	try {
		fsyncSync(file);
	} finally {
		closeSync(file);
	}
}
