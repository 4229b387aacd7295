import { Worker } from "node:worker_threads";
import { heapCeilingMegabytes } from "../platform/heap-ceiling.ts";
import type { WorkerLike } from "./worker-messages.ts";

/**
 * Starts the store's worker: from its source file in development, from text that the
 * bundle carries otherwise. Main thread only.
 */

/** Set by the build to the text of the bundled worker.ts. */
declare const __STORE_WORKER_SOURCE__: string | undefined;

/** Begun and not taken yet. */
let begun: WorkerLike | null = null;

/** Has the thread begin while other things are done: it takes as long as all the rest of a start. */
export function beginStoreWorker(): void {
	begun ??= newStoreWorker();
}

/** @returns the one that has begun; another one when it is asked again */
export function startStoreWorker(): WorkerLike {
	const worker = begun ?? newStoreWorker();
	begun = null;
	return worker;
}

function newStoreWorker(): WorkerLike {
	const resourceLimits = {
		/** The worker's objects die young or not at all: a small nursery saves memory. */
		maxYoungGenerationSizeMb: 4,
		maxOldGenerationSizeMb: heapCeilingMegabytes(),
	};
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
