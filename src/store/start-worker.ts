import { Worker } from "node:worker_threads";
import type { WorkerLike } from "./worker-messages.ts";

/**
 * Starts the store's worker: from its source file in development, from text that the
 * bundle carries otherwise. Main thread only.
 */

/** Set by the build to the text of the bundled worker.ts. */
declare const __STORE_WORKER_SOURCE__: string | undefined;

/** The worker's objects die young or not at all: a small nursery saves memory. */
const resourceLimits = { maxYoungGenerationSizeMb: 4 };

export function startStoreWorker(): WorkerLike {
	if (typeof __STORE_WORKER_SOURCE__ === "string")
		return new Worker(__STORE_WORKER_SOURCE__, {
			eval: true,
			execArgv: [],
			name: "store",
			resourceLimits,
		});
	return new Worker(new URL("./worker.ts", import.meta.url), {
		execArgv: [],
		name: "store",
		resourceLimits,
	});
}
