/**
 * The binary's first script: small, so that it runs at once. It has the store's thread begin,
 * which takes as long as everything else, and runs the program proper, an asset, meanwhile.
 */
import { getAsset } from "node:sea";
import { Script } from "node:vm";
import { beginStoreWorker, startStoreWorker } from "./store/start-worker.ts";
import type { WorkerLike } from "./store/worker-messages.ts";

/** The bundle of main.ts, as a function of what a module finds around it. */
type Program = (
	require: NodeJS.Require,
	filename: string,
	storeWorker: WorkerLike | null,
) => void;

/** What a start of the broker begins with; a command never does. */
const starting = /^(run$|-c|--config|--set|--reset-state)/;

function begin(first: string | undefined): WorkerLike | null {
	if (first !== undefined && !starting.test(first)) return null;
	beginStoreWorker();
	return startStoreWorker();
}

const storeWorker = begin(process.argv[2]);
const source = getAsset("broker.js", "latin1");
const program: Program = new Script(source, {
	filename: "broker.js",
}).runInThisContext();
program(require, __filename, storeWorker);
