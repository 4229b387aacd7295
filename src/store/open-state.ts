import type { Database } from "better-sqlite3";
import { Ballast } from "./ballast.ts";
import { Checkpoint } from "./checkpoint.ts";
import { limitFile, openDatabase } from "./database.ts";
import { LogSync } from "./durability.ts";
import { Odometer } from "./odometer.ts";
import { Tables } from "./tables.ts";
import type { OpenRequest } from "./worker-messages.ts";

/** What the worker has while its database is open. */
export interface OpenState {
	readonly path: string;
	readonly database: Database;
	readonly tables: Tables;
	readonly checkpoint: Checkpoint;
	readonly sync: LogSync;
	readonly ballast: Ballast;
	readonly odometer: Odometer;
	maxBytes: number;
}

export interface OpenedState {
	readonly state: OpenState;
	/** What a person should know about how it was opened; empty when nothing. */
	readonly notice: string;
}

/**
 * @param onSynced the medium has all that was committed, or why it may not
 * @throws StoreRefusal
 */
export function openState(
	request: OpenRequest,
	onSynced: (trouble: string) => void,
): OpenedState {
	const { path, maxBytes, ballastBytes, ballastDelayMs } = request;
	const { database, notice } = openDatabase(path, request);
	limitFile(database, maxBytes);
	const odometer = new Odometer(database);
	const state: OpenState = {
		path,
		database,
		tables: new Tables(database),
		checkpoint: new Checkpoint(database, (pages) =>
			odometer.checkpointed(pages),
		),
		sync: new LogSync(database, request.syncIntervalMs, onSynced),
		ballast: new Ballast(
			path,
			path === ":memory:" ? 0 : ballastBytes,
			ballastDelayMs,
		),
		odometer,
		maxBytes,
	};
	return { state, notice };
}
