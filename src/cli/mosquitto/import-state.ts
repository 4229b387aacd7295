/**
 * Makes what a mosquitto.db holds the state of a broker that does not run. It is built
 * in a database of its own and takes its place as a restored backup does.
 */
import { chmod, rm } from "node:fs/promises";
import { systemClock } from "../../platform/clock.ts";
import { CommandFailure } from "../../platform/command.ts";
import { StoreClient } from "../../store/store-client.ts";
import type { StateFolder } from "../state-folder.ts";
import { refuseWithoutRoom } from "../write-file.ts";
import type { DatabaseFile } from "./database-file.ts";
import type { StatePlan } from "./state-plan.ts";
import { StateWriter, type WrittenState } from "./write-state.ts";

export interface ImportedState {
	readonly written: WrittenState;
	/** Where the state before is; null when there was none. */
	readonly place: string | null;
}

const FILE_MODE = 0o640;
const COMPANIONS = ["", "-wal", "-shm", "-journal"];
/** The log of a database that is being filled. */
const LOG_BYTES = 16 * 1024 * 1024;

/** Something that can be taken back. */
export interface Undoable {
	undo(): Promise<void>;
}

/**
 * @param bytes about how much it will be
 * @param beforeIsDone called, with the rights of the caller, when all that takes long is done;
 * what it does is undone when the state cannot take its place
 * @throws CommandFailure; the state is as it was then
 */
export async function importState(
	folder: StateFolder,
	file: DatabaseFile,
	plan: StatePlan,
	bytes: number,
	beforeIsDone: () => Promise<Undoable>,
): Promise<ImportedState> {
	await folder.make();
	return folder.work(async (worker, asCaller) => {
		const copy = `${folder.path}.importing`;
		await refuseWithoutRoom(folder.folder, 2 * bytes + LOG_BYTES);
		await remove(copy); // of an import that was cut off
		try {
			const written = await fill(copy, file, plan);
			await chmod(copy, FILE_MODE);
			const { undo } = await asCaller(beforeIsDone);
			try {
				return { written, place: await worker.restore(copy) };
			} catch (error) {
				await asCaller(undo);
				throw error;
			}
		} catch (error) {
			await remove(copy);
			throw error;
		}
	});
}

async function fill(
	path: string,
	file: DatabaseFile,
	plan: StatePlan,
): Promise<WrittenState> {
	let fail: (error: Error) => void = () => {};
	const trouble = new Promise<never>((_, reject) => {
		fail = reject;
	});
	trouble.catch(() => {}); // it may come when nobody waits any more
	const store = new StoreClient({
		path,
		clock: systemClock,
		commitIntervalMs: 0,
		lazyIntervalMs: 0,
		onFatal: (error) => fail(error),
		onTrouble: (words) => {
			if (words !== "") fail(new CommandFailure(words));
		},
	});
	await store.open();
	try {
		const nowMs = systemClock.wallMs();
		const writer = new StateWriter(store, file, plan, nowMs, trouble);
		const written = await writer.write();
		await store.close();
		return written;
	} catch (error) {
		await store.close().catch(() => {});
		throw error;
	}
}

async function remove(path: string): Promise<void> {
	for (const suffix of COMPANIONS)
		await rm(path + suffix, { force: true }).catch(() => {});
}
