import type { Database, Statement } from "better-sqlite3";
import { writtenBytes } from "../platform/written-bytes.ts";
import { mayPass } from "./commit-trouble.ts";

/**
 * Decides when the write-ahead log is copied into the database. Worker thread only.
 *
 * SQLite's own checkpoint runs inside a commit, and the tickets of that batch would wait
 * for it. This one runs when no batch has come for a while, and inside the traffic, after
 * an answer, only when the log has become twice as long: on a full disk the ballast (8 MB)
 * has to make room for all that the log holds. The log file keeps its
 * length: writing over blocks that exist spares the file system's journal at every sync.
 */

/** Pages in the log that are worth a quiet moment: 4 MiB. */
const PAGES_WHEN_IDLE = 1000;
/** Pages at which it is done inside the traffic: 7.4 MiB. */
const PAGES_AT_MOST = 1900;
/** A log in memory costs memory, and its copying next to nothing: 1 MiB. */
const PAGES_IN_MEMORY = 256;
const IDLE_MS = 50;
const PAGE_BYTES = 4096;

export class Checkpoint {
	/** Tells the length of the log without doing anything; 1 us. */
	readonly #look: Statement<[], [number, number, number]>;
	readonly #run: Statement<[]>;
	readonly #onCopied: (pages: number) => void;
	readonly #whenIdle: number;
	readonly #atMost: number;
	#commits = 0;
	#timer: NodeJS.Timeout | null = null;

	/**
	 * @param onCopied so many pages were written into the database
	 * @param isInMemory the files are
	 */
	constructor(
		database: Database,
		onCopied: (pages: number) => void,
		isInMemory = false,
	) {
		this.#onCopied = onCopied;
		this.#whenIdle = isInMemory ? PAGES_IN_MEMORY : PAGES_WHEN_IDLE;
		this.#atMost = isInMemory ? PAGES_IN_MEMORY : PAGES_AT_MOST;
		this.#look = database
			.prepare<[], [number, number, number]>("PRAGMA wal_checkpoint(NOOP)")
			.raw() as Statement<[], [number, number, number]>;
		this.#run = database.prepare("PRAGMA wal_checkpoint(PASSIVE)");
	}

	/** After the batch has been answered. */
	afterCommit(): void {
		this.#commits++;
		if (this.#pagesDue() >= this.#atMost) this.#copy();
		else this.#wait();
	}

	stop(): void {
		if (this.#timer !== null) clearTimeout(this.#timer);
		this.#timer = null;
	}

	#wait(): void {
		if (this.#timer !== null) return;
		const commits = this.#commits;
		this.#timer = setTimeout(() => {
			this.#timer = null;
			if (this.#commits !== commits) this.#wait();
			else if (this.#pagesDue() >= this.#whenIdle) this.#copy();
		}, IDLE_MS);
	}

	#pagesDue(): number {
		const [, pages, copied] = this.#look.get() ?? [0, 0, 0];
		return pages - copied;
	}

	#copy(): void {
		const due = this.#pagesDue();
		const before = writtenBytes("thread");
		try {
			this.#run.all();
			const after = writtenBytes("thread");
			// A page that the log has several times is written once: the system knows how many.
			this.#onCopied(
				before === null || after === null ? due : (after - before) / PAGE_BYTES,
			);
		} catch (error) {
			// The log holds everything; the next commit meets the same disk and says so.
			if (!mayPass(error)) throw error;
		}
	}
}
