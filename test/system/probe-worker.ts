/**
 * A quiet pair of clients on a thread of its own, so that the load a test makes in its own
 * event loop is not measured: one publishes, the other receives, the next follows soon.
 * Says what it measured when the test asks for it.
 */
import { setTimeout as pause } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { connectRaw } from "../support/raw-client.ts";

/** Between two measurements, in milliseconds. */
const INTERVAL_MS = 5;
/** Fewer say nothing about a quantile: after a short load it goes on to this many. */
const ROUNDS = 50;

const { port, qos } = workerData as { port: number; qos: 0 | 1 };
const milliseconds: number[] = [];
let isOver = false;

const subscriber = await connectRaw({ port, clientId: "probe-subscriber" });
const publisher = await connectRaw({ port, clientId: "probe-publisher" });
await subscriber.subscribe("probe", qos);
parentPort?.once("message", () => {
	isOver = true;
});
parentPort?.postMessage("ready");
try {
	while (!isOver || milliseconds.length < ROUNDS) {
		const startMs = performance.now();
		const target = subscriber.received + 1;
		await publisher.publish("probe", "tick", qos);
		await subscriber.until(
			() => subscriber.received >= target,
			"a quiet client's message",
		);
		await publisher.ping();
		milliseconds.push(performance.now() - startMs);
		subscriber.messages.length = 0;
		await pause(INTERVAL_MS);
	}
	parentPort?.postMessage({ milliseconds, problem: "" });
} catch (error) {
	parentPort?.postMessage({ milliseconds, problem: String(error) });
}
subscriber.destroy();
publisher.destroy();
