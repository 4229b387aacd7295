import type { Database, Statement } from "better-sqlite3";
import { writtenBytes } from "../platform/written-bytes.ts";
import type { Operation } from "./operation.ts";
import { noPages, type PageCounts, PageShares } from "./page-counts.ts";
import { MetaTable } from "./tables/meta.ts";

/**
 * Counts the pages that commits and checkpoints write, by cause, and keeps what the
 * process has written in all its lives in the table `meta`. Worker thread only.
 *
 * The pages of a commit are the frames by which the log has grown. The odometer is saved
 * with a batch that is written anyway, and at the stop: a kill forgets 4 MB at most.
 */

/** Pages between two savings, each of which costs one more. */
const PAGES_PER_SAVING = 1000;
const NAME = "written_bytes";
type LogState = [busy: number, pages: number, copied: number];

export class Odometer {
	/** Since the database was opened. */
	readonly pages: PageCounts = noPages();
	/** What earlier processes have written, as far as they could save it. */
	readonly earlierBytes: number;
	readonly #meta: MetaTable;
	readonly #look: Statement<[], LogState>;
	readonly #shares = new PageShares();
	readonly #written: () => number | null;
	readonly #atOpenBytes: number | null;
	#logPages = 0;
	#isLogCopied = false;
	#unsavedPages = 0;
	#isSaving = false;

	/** @param written bytes that the process has written; stands in for the system in tests */
	constructor(
		database: Database,
		written: () => number | null = () => writtenBytes("process"),
	) {
		this.#written = written;
		this.#meta = new MetaTable(database);
		this.#look = database
			.prepare<[], LogState>("PRAGMA wal_checkpoint(NOOP)")
			.raw() as Statement<[], LogState>;
		this.earlierBytes = this.#meta.number(NAME);
		this.#atOpenBytes = database.memory ? null : written();
	}

	/** Before the first operation of a batch. */
	begin(): void {
		this.#shares.clear();
		const [, pages, copied] = this.#look.get() ?? [0, 0, 0];
		this.#logPages = pages;
		this.#isLogCopied = pages === copied;
	}

	note(operation: Operation): void {
		this.#shares.add(operation);
	}

	/** Inside the batch's transaction, at its end. */
	finish(): void {
		this.#isSaving = this.#unsavedPages >= PAGES_PER_SAVING;
		if (this.#isSaving) this.#save();
	}

	committed(): void {
		if (this.#isSaving) this.#unsavedPages = 0;
		const [, pages] = this.#look.get() ?? [0, 0, 0];
		const written = this.#grownBy(pages);
		this.#shares.share(written, this.pages);
		this.#unsavedPages += written;
	}

	checkpointed(pages: number): void {
		this.pages.checkpoints += pages;
		this.#unsavedPages += pages;
	}

	/** At the stop, in a transaction of its own; nothing when nothing was written. */
	saveLast(): void {
		if (this.#unsavedPages > 0) this.#save();
		this.#unsavedPages = 0;
	}

	#save(): void {
		if (this.#atOpenBytes === null) return;
		const bytes = (this.#written() ?? 0) - this.#atOpenBytes;
		this.#meta.putNumber(NAME, this.earlierBytes + Math.max(0, bytes));
	}

	/** A log that has been copied whole begins anew with the next commit. */
	#grownBy(pages: number): number {
		if (pages <= 0 || pages === this.#logPages) return 0;
		const isNew = this.#isLogCopied || pages < this.#logPages;
		return isNew ? pages : pages - this.#logPages;
	}
}
