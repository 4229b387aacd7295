import { parentPort } from "node:worker_threads";
import { collectGarbage } from "../platform/collector.ts";
import {
	heapCeilingMegabytes,
	lowerHeapCeiling,
} from "../platform/heap-ceiling.ts";
import { LoopWatch } from "../platform/loop-watch.ts";
import { StateTools } from "./state-tools.ts";
import { StoreEngine } from "./store-engine.ts";
import { StoreRefusal } from "./store-refusal.ts";
import type {
	OpenRequest,
	ToolRequest,
	WorkerReply,
	WorkerRequest,
} from "./worker-messages.ts";

/** Entry of the store's worker thread: the only place that loads SQLite. */

const port = parentPort;
if (port === null) throw new Error("worker.ts runs in a worker thread only");

const engine = new StoreEngine(
	(reply: WorkerReply, transfer: ArrayBuffer[] = []) =>
		port.postMessage(reply, transfer),
);
const tools = new StateTools();
process.on("uncaughtExceptionMonitor", (error) => engine.noteDeath(error));
port.on("message", (request: WorkerRequest) => {
	if (request.type === "tool") port.postMessage(runTool(request));
	else if (request.type === "watch") new LoopWatch(request.watch).start();
	else if (request.type === "collect") collectGarbage(true);
	else {
		if (request.type === "open") limitHeap(request);
		engine.handle(request);
	}
});

function limitHeap({ heapMegabytes }: OpenRequest): void {
	if (heapMegabytes < heapCeilingMegabytes()) lowerHeapCeiling(heapMegabytes);
}

function runTool(request: ToolRequest): WorkerReply {
	const { id } = request;
	try {
		return { type: "answer", id, answer: tools.run(request) };
	} catch (error) {
		if (!(error instanceof StoreRefusal)) throw error;
		const { message: words, kind } = error;
		return { type: "refusal", id, words, kind };
	}
}
