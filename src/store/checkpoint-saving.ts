import { statSync } from "node:fs";
import { dirname } from "node:path";
import type { Database } from "better-sqlite3";
import { howToMend } from "../platform/folder.ts";
import { removeRamFolder, saveCheckpoint } from "./ram-state.ts";
import type { Saved } from "./worker-messages.ts";

/**
 * Saves the open database of `state = ram+checkpoint`: one checkpoint at a time, and none
 * when nothing was committed since the last. Worker thread only.
 */
export class CheckpointSaving {
	readonly #database: Database;
	readonly #path: string;
	readonly #checkpoint: string;
	#commits = 0;
	#savedCommits: number;
	#last: Promise<unknown> = Promise.resolve();

	/**
	 * @param path of the database, in memory
	 * @param checkpoint the file it is saved to
	 * @param isLeft it is newer than that
	 */
	constructor(
		database: Database,
		path: string,
		checkpoint: string,
		isLeft: boolean,
	) {
		this.#database = database;
		this.#path = path;
		this.#checkpoint = checkpoint;
		this.#savedCommits = isLeft ? -1 : 0;
	}

	committed(): void {
		this.#commits++;
	}

	/** @throws Error in words; the checkpoints before are as they were */
	save(): Promise<Saved> {
		const saved = this.#last.then(() => this.#save());
		this.#last = saved.catch(() => {});
		return saved;
	}

	/** The database is saved and closed: its files in memory go. */
	end(): void {
		if (this.#savedCommits === this.#commits) removeRamFolder(this.#path);
	}

	async #save(): Promise<Saved> {
		// What is committed while it is copied may be in it: it is saved once more then.
		const commits = this.#commits;
		if (commits === this.#savedCommits)
			return { bytes: this.#bytes, isNew: false, notice: "" };
		let notice: string;
		try {
			notice = await saveCheckpoint(
				this.#database,
				this.#path,
				this.#checkpoint,
				Date.now,
			);
		} catch (error) {
			const { message } = error as Error;
			throw new Error(
				`the state in memory could not be saved to ${this.#checkpoint}: ${message}; ${this.#howToMend()}`,
				{ cause: error },
			);
		}
		this.#savedCommits = commits;
		return { bytes: this.#bytes, isNew: true, notice };
	}

	/** A sandbox that was made while the disk was read-only stays so. */
	#howToMend(): string {
		const words = howToMend(dirname(this.#checkpoint));
		return words.includes("read-only")
			? `${words}, and if it was so when the broker started, systemctl restart broker, which keeps what is in memory`
			: words;
	}

	get #bytes(): number {
		return statSync(this.#checkpoint, { throwIfNoEntry: false })?.size ?? 0;
	}
}
