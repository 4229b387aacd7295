import type { Database } from "better-sqlite3";
import { Ballast } from "./ballast.ts";
import { Checkpoint } from "./checkpoint.ts";
import { CheckpointSaving } from "./checkpoint-saving.ts";
import { limitFile, openDatabase } from "./database.ts";
import { LogSync } from "./durability.ts";
import { Odometer } from "./odometer.ts";
import { type OpenedRam, openRamDatabase } from "./ram-state.ts";
import { Tables } from "./tables.ts";
import type { Opened, OpenRequest } from "./worker-messages.ts";

/** What the worker has while its database is open. */
export interface OpenState {
	readonly path: string;
	/** null unless the database is in memory and saved now and then. */
	readonly saving: CheckpointSaving | null;
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
	/** What the main thread is told of it. */
	readonly opened: Opened;
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
	const { database, notice, isLeft } = openPlace(request);
	limitFile(database, maxBytes);
	const odometer = new Odometer(database);
	const state: OpenState = {
		path,
		saving:
			request.checkpoint === null
				? null
				: new CheckpointSaving(database, path, request.checkpoint, isLeft),
		database,
		tables: new Tables(database),
		checkpoint: new Checkpoint(
			database,
			(pages) => odometer.checkpointed(pages),
			request.checkpoint !== null,
		),
		sync: new LogSync(database, request.syncIntervalMs, onSynced),
		ballast: new Ballast(
			path,
			path === ":memory:" || request.checkpoint !== null ? 0 : ballastBytes,
			ballastDelayMs,
		),
		odometer,
		maxBytes,
	};
	const { messages, bytes } = state.tables.retained.totals;
	const opened = {
		notice,
		retainedMessages: messages,
		retainedBytes: bytes,
		earlierBytes: odometer.earlierBytes,
		isLeft,
	};
	return { state, opened };
}

function openPlace(request: OpenRequest): OpenedRam {
	const { path, checkpoint } = request;
	return checkpoint === null
		? { ...openDatabase(path, request), isLeft: false }
		: openRamDatabase(path, checkpoint, request);
}
