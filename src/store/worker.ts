import { parentPort } from "node:worker_threads";
import { LoopWatch } from "../platform/loop-watch.ts";
import { StoreEngine } from "./store-engine.ts";
import type { WorkerReply, WorkerRequest } from "./worker-messages.ts";

/** Entry of the store's worker thread: the only place that loads SQLite. */

const port = parentPort;
if (port === null) throw new Error("worker.ts runs in a worker thread only");

const engine = new StoreEngine(
	(reply: WorkerReply, transfer: ArrayBuffer[] = []) =>
		port.postMessage(reply, transfer),
);
process.on("uncaughtExceptionMonitor", (error) => engine.noteDeath(error));
port.on("message", (request: WorkerRequest) => {
	if (request.type === "watch") new LoopWatch(request.watch).start();
	else engine.handle(request);
});
