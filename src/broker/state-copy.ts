/**
 * Copies of the running broker's database: for a backup, and to check one without
 * holding the broker up. The copy lies next to the database, as that folder is the only
 * one that the broker may write to, and has no name once it is handed over.
 */
import {
	type FileHandle,
	open,
	rm,
	stat,
	statfs,
	unlink,
} from "node:fs/promises";
import { join } from "node:path";
import type { Settings } from "../config/schema.ts";
import type { Clock } from "../platform/clock.ts";
import { inBytes } from "../platform/words.ts";
import { SCHEMA_VERSION } from "../store/schema.ts";
import { StateWorker } from "../store/state-worker.ts";
import type { Store } from "../store/store.ts";
import type { Saved } from "../store/worker-messages.ts";
import { AdminRefusal } from "./admin-routes.ts";
import type { RamState } from "./ram-state.ts";

/** Room that has to be left: the database's log and its ballast, with their growth. */
const SPARE_BYTES = 32 * 1024 * 1024;

export interface StateCopyParts {
	readonly settings: Settings;
	readonly clock: Clock;
	readonly store: Store;
	readonly safeMode: { readonly isOn: boolean };
	readonly ramState: RamState | null;
}

/** The files of the database, as far as the system tells. */
export interface StateFile {
	readonly path: string;
	/** Version of its tables. */
	readonly format: number;
	readonly bytes: number;
	/** Of its write-ahead log, beside it. */
	readonly logBytes: number;
}

export class StateCopy {
	readonly #parts: StateCopyParts;
	#isBusy = false;

	constructor(parts: StateCopyParts) {
		this.#parts = parts;
	}

	/** null when the state is in memory only. */
	async file(): Promise<StateFile | null> {
		const { persistence, data_dir } = this.#parts.settings;
		const { ramState, safeMode } = this.#parts;
		if (!persistence || safeMode.isOn) return null;
		const path = ramState?.place.path ?? join(data_dir, "broker.db");
		const bytesOf = async (file: string) =>
			(await stat(file).catch(() => null))?.size ?? 0;
		return {
			path,
			format: SCHEMA_VERSION,
			bytes: await bytesOf(path),
			logBytes: await bytesOf(`${path}-wal`),
		};
	}

	/**
	 * @returns the open copy; it is gone as soon as that is closed
	 * @throws AdminRefusal in words
	 */
	open(): Promise<FileHandle> {
		return this.#alone(async (path) => {
			await this.#make(path);
			return open(path);
		});
	}

	/** @returns what is wrong with it, in words; none when it is sound. @throws AdminRefusal */
	check(): Promise<readonly string[]> {
		return this.#alone(async (path) => {
			await this.#make(path);
			const worker = new StateWorker(this.#parts.clock, path, false);
			try {
				return (await worker.check()).problems;
			} finally {
				await worker.end();
				await rm(`${path}-wal`, { force: true });
			}
		});
	}

	/**
	 * `state = ram+checkpoint`: saves the state now.
	 * @throws AdminRefusal in words
	 */
	saveCheckpoint(): Promise<Saved> {
		const { ramState, safeMode } = this.#parts;
		if (ramState === null || safeMode.isOn)
			throw new AdminRefusal(
				409,
				safeMode.isOn
					? "the broker is in safe mode: what it has is not to take the place of the state on the disk"
					: "there is nothing to save: checkpoints are made with state = ram+checkpoint",
			);
		return ramState.saveNow();
	}

	async #alone<T>(work: (path: string) => Promise<T>): Promise<T> {
		const { persistence, data_dir } = this.#parts.settings;
		if (!persistence)
			throw new AdminRefusal(
				409,
				"the state is in memory only (persistence = off): there is no database",
			);
		if (this.#parts.safeMode.isOn)
			throw new AdminRefusal(
				409,
				`the broker is in safe mode: it does not use the state in ${data_dir}, and what it has is in memory only; stop it (systemctl stop broker) and call this again, which then reads the files`,
			);
		if (this.#isBusy)
			throw new AdminRefusal(409, "another backup or check is under way");
		this.#isBusy = true;
		const path = join(data_dir, "broker.db.backup");
		try {
			return await work(path);
		} finally {
			this.#isBusy = false;
			await unlink(path).catch(() => {});
		}
	}

	async #make(path: string): Promise<void> {
		const { settings, store } = this.#parts;
		const { bytes = 0, logBytes = 0 } = (await this.file()) ?? {};
		const neededBytes = bytes + logBytes + SPARE_BYTES;
		const disk = await statfs(settings.data_dir);
		const freeBytes = disk.bavail * disk.bsize;
		if (freeBytes < neededBytes)
			throw new AdminRefusal(
				507,
				`there is no room for a copy in ${settings.data_dir}: it takes ${inBytes(neededBytes)} for a moment, and ${inBytes(freeBytes)} are free; make room, or stop the broker first, which needs none`,
			);
		try {
			await store.backup(path);
		} catch (error) {
			throw new AdminRefusal(507, (error as Error).message);
		}
	}
}
