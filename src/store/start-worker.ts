import { getAsset, isSea } from "node:sea";
import { Worker, type WorkerOptions } from "node:worker_threads";
import { heapCeilingMegabytes } from "../platform/heap-ceiling.ts";
import type { WorkerLike } from "./worker-messages.ts";

/**
 * Starts the store's worker: from its source file in development, from text that the
 * bundle or the single binary carries otherwise. Main thread only.
 */

/** Set by the build to the text of the bundled worker.ts. */
declare const __STORE_WORKER_SOURCE__: string | undefined;
/** What entry.ts has begun, in the single binary. */
declare const __STORE_WORKER__: WorkerLike | null | undefined;

/** The text's name in the single binary. */
const WORKER_ASSET = "store-worker.js";

/** Begun and not taken yet. */
let begun: WorkerLike | null =
	typeof __STORE_WORKER__ === "undefined" ? null : __STORE_WORKER__;

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
	const options: WorkerOptions = {
		execArgv: [],
		name: "store",
		resourceLimits: {
			/** The worker's objects die young or not at all: a small nursery saves memory. */
			maxYoungGenerationSizeMb: 4,
			maxOldGenerationSizeMb: heapCeilingMegabytes(),
		},
	};
	const text = carriedText();
	if (text === null)
		return new Worker(new URL("./worker.ts", import.meta.url), options);
	return new Worker(text, { ...options, eval: true });
}

/** @returns null in development */
function carriedText(): string | null {
	if (typeof __STORE_WORKER_SOURCE__ === "string")
		return __STORE_WORKER_SOURCE__;
	return isSea() ? getAsset(WORKER_ASSET, "latin1") : null;
}
