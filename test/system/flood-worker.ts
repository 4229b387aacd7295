/**
 * A publisher on a thread of its own that sends as fast as the broker lets it: a subscriber
 * in the test's thread is not held up by the sending. Says how long it took.
 */
import { parentPort, workerData } from "node:worker_threads";
import { connectRaw, publishBytes, type Qos } from "../support/raw-client.ts";

const { port, qos, count, window, payloadBytes } = workerData as {
	port: number;
	qos: Qos;
	count: number;
	/** QoS 1 messages without an acknowledgement at a time. */
	window: number;
	payloadBytes: number;
};
const payload = Buffer.alloc(payloadBytes, "x");
const publisher = await connectRaw({ port, clientId: "flooder" });
const startMs = performance.now();
for (let sent = 1; sent <= count; sent++) {
	const packet = { topic: "flood", payload, qos, id: publisher.nextId() };
	await publisher.push(publishBytes(packet));
	if (qos > 0 && sent - publisher.acknowledged >= window) {
		await publisher.until(
			() => sent - publisher.acknowledged < window,
			"an acknowledgement",
			20_000,
		);
	}
}
await publisher.until(
	() => qos === 0 || publisher.acknowledged >= count,
	"the last acknowledgement",
	20_000,
);
// Answered when everything before it was taken in.
await publisher.ping();
parentPort?.postMessage(performance.now() - startMs);
publisher.destroy();
