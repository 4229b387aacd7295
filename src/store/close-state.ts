import { mayPass } from "./commit-trouble.ts";
import type { OpenState } from "./open-state.ts";

/**
 * Ends everything that goes with an open database, and leaves its file complete. Worker
 * thread only.
 * @param lost batches that could not be committed
 * @param unsaved why what is in memory could not be saved; empty when it is, or is not there
 * @returns what is lost, in words; empty when nothing
 */
export function closeState(
	state: OpenState,
	lost: number,
	unsaved: string,
): string {
	const { database, path, checkpoint, sync, ballast, odometer, saving } = state;
	checkpoint.stop();
	sync.stop();
	ballast.stop();
	try {
		database.pragma("wal_checkpoint(PASSIVE)");
		odometer.saveLast();
		database.pragma("wal_checkpoint(TRUNCATE)");
	} catch (error) {
		// Without them the next start reads the log: nothing that matters is missing.
		if (!mayPass(error)) throw error;
	}
	database.close();
	saving?.end();
	const batches =
		lost === 0
			? ""
			: `${lost} batches could not be written to ${path}: what they held was never acknowledged`;
	const memory =
		unsaved === ""
			? ""
			: `the state stays in ${path}, where the next start finds it unless the machine restarts first: ${unsaved}`;
	return [batches, memory].filter(Boolean).join("; ");
}
