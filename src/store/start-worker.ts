import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
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

/**
 * Where the SQLite addon is; null where the package finds it by itself, from source. A worker started
 * from text has no place in the file system to look from, so it has to be told. @throws Error in words
 */
export function findSqliteAddon(): string | null {
	if (typeof __STORE_WORKER_SOURCE__ !== "string") return null;
	const require = createRequire(__filename);
	const file = `prebuilds/${process.platform}-${process.arch}.node`;
	try {
		const folder = dirname(require.resolve("better-sqlite3/package.json"));
		const own = join(folder, "build/Release/better_sqlite3.node");
		return existsSync(own) ? own : require.resolve(join(folder, file));
	} catch (cause) {
		const words = `the SQLite addon was not found: ${__filename} needs better-sqlite3 with its ${file} in a node_modules folder above it`;
		throw new Error(words, { cause });
	}
}
