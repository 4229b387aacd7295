/**
 * The store's worker on a disk that takes its time: its thread stands still before each
 * batch, as it does in a sync.
 */
import { parentPort, workerData } from "node:worker_threads";
import { StoreEngine } from "../../src/store/store-engine.ts";
import type { EngineRequest } from "../../src/store/worker-messages.ts";

const { delayMs } = workerData as { delayMs: number };
const port = parentPort;
if (port === null) throw new Error("this runs in a worker thread only");
const sleeper = new Int32Array(new SharedArrayBuffer(4));
const engine = new StoreEngine((reply, transfer = []) =>
	port.postMessage(reply, transfer),
);
port.on("message", (request: EngineRequest) => {
	if (request.type === "commit") Atomics.wait(sleeper, 0, 0, delayMs);
	engine.handle(request);
});
