/** The state of a broker that does not run: where it is, and who works on it. */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { LoadedConfig } from "../config/config.ts";
import { systemClock } from "../platform/clock.ts";
import { CommandFailure } from "../platform/command.ts";
import { StateWorker } from "../store/state-worker.ts";
import { StoreRefusal } from "../store/store-refusal.ts";
import { type AsCaller, asOwnerOf } from "./as-owner.ts";

/** Of the packaged service, which the shell of a person knows nothing about. */
const SERVICE_FOLDER = "/var/lib/broker";

export class StateFolder {
	readonly folder: string;
	/** The database. */
	readonly path: string;
	readonly #isSynced: boolean;

	/**
	 * @param chosen instead of the configuration's `data_dir`
	 * @throws CommandFailure when there is no state on the disk by the configuration
	 */
	constructor({ settings, origins }: LoadedConfig, chosen?: string) {
		if (!settings.persistence)
			throw new CommandFailure(
				"there is no state on the disk: persistence is off in the configuration",
			);
		const isChosen = origins.get("data_dir")?.kind !== "default";
		this.folder =
			chosen ??
			(isChosen ? settings.data_dir : defaultFolder(settings.data_dir));
		this.path = join(this.folder, "broker.db");
		this.#isSynced = settings.durability === "strict";
	}

	get hasState(): boolean {
		return existsSync(this.path);
	}

	/** Made when it is missing and there is no doubt whose it is. */
	async make(): Promise<void> {
		if (process.geteuid?.() === 0) return;
		await mkdir(this.folder, { recursive: true, mode: 0o750 });
	}

	/**
	 * Works on the state, as the folder's owner. A broker cannot start meanwhile, or is
	 * found running and refused.
	 * @throws CommandFailure
	 */
	async work<T>(
		task: (worker: StateWorker, asCaller: AsCaller) => Promise<T>,
	): Promise<T> {
		return asOwnerOf(this.folder, async (asCaller) => {
			const worker = new StateWorker(systemClock, this.path, this.#isSynced);
			try {
				return await task(worker, asCaller);
			} catch (error) {
				if (!(error instanceof StoreRefusal)) throw error;
				throw new CommandFailure(error.message);
			} finally {
				await worker.end();
			}
		});
	}
}

/** The first that holds a database, else the first that is there. */
function defaultFolder(ownFolder: string): string {
	const folders = [ownFolder, SERVICE_FOLDER];
	return (
		folders.find((folder) => existsSync(join(folder, "broker.db"))) ??
		folders.find((folder) => existsSync(folder)) ??
		ownFolder
	);
}
