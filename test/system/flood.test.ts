/** Publishers that send as fast as they can: slowed by TCP, not kept in memory. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import t, { type Test } from "tap";
import {
	connectRaw,
	publishBytes,
	type Qos,
	type RawClient,
} from "../support/raw-client.ts";
import { type SpawnedBroker, spawnBroker } from "../support/spawn-broker.ts";
import { forgetPeak, inMiB, MIB, peakRssBytes, rssBytes } from "./memory.ts";
import { checkNoticed, startProbe } from "./probe.ts";
import { linesWith } from "./waiting.ts";

const COUNT = 20_000;
const PAYLOAD_BYTES = 2000;
/** What the broker may grow by, with outboxes, queues and garbage. */
const NOISE_BYTES = 80 * MIB;

for (const qos of [0, 1] as const) {
	t.test(
		`a flood of QoS ${qos} goes on for a fast subscriber while another one is slow`,
		async (t) => {
			const broker = await spawnBroker(t);
			const alone = await flood(broker, qos);
			const slow = await connectRaw({ port: broker.port, clientId: "slow" });
			await slow.subscribe("flood", qos);
			readSlowly(t, slow);
			const before = rssBytes(broker.pid);
			forgetPeak(broker.pid);
			const probe = await startProbe(t, broker.port, qos);
			const together = await flood(broker, qos);
			checkNoticed(t, await probe.result());
			const grown = peakRssBytes(broker.pid) - before;
			t.comment(
				`${alone.perSecond} messages a second without the slow one, ${together.perSecond} with it; memory grew by ${inMiB(grown)}`,
			);
			t.ok(grown < NOISE_BYTES, `memory grew by ${inMiB(grown)}`);
			t.ok(together.perSecond > alone.perSecond / 5, "the fast one goes on");
			t.notOk(slow.isClosed, "the slow one is not thrown out");
		},
	);
}

t.test(
	"a subscriber that reads and acknowledges at once loses nothing: the flood is slowed down",
	async (t) => {
		for (const { qos, window } of [
			{ qos: 0, window: 1 },
			{ qos: 1, window: 20 },
			{ qos: 1, window: 500 },
		] as const) {
			// On a busy machine the subscriber's process may not run for longer than the default.
			const config = { slow_subscriber_pause: "2s" };
			const broker = await spawnBroker(t, { config });
			const { received } = await flood(broker, qos, window);
			t.equal(received, COUNT, `QoS ${qos}, ${window} at a time`);
			t.strictSame(linesWith(broker.stderr(), "queue full"), []);
			await broker.stop();
		}
	},
);

t.test(
	"a burst of QoS 2 reaches a lasting session exactly once and in order [MQTT-4.3.3-1] [MQTT-4.6.0-6]",
	async (t) => {
		const count = 500;
		const broker = await spawnBroker(t);
		const { port } = broker;
		const reader = await connectRaw({ port, clientId: "lasts", clean: false });
		await reader.subscribe("burst", 2);
		const publisher = await connectRaw({ port, clientId: "publisher" });
		for (let i = 1; i <= count; i++) {
			const id = publisher.nextId();
			const packet = {
				topic: "burst",
				payload: String(i),
				qos: 2,
				id,
			} as const;
			publisher.send(publishBytes(packet));
		}
		await publisher.until(
			() => publisher.acknowledged === count,
			"all acknowledgements",
		);
		await reader.until(() => reader.received >= count, "all messages");
		await reader.ping();
		const payloads = reader.messages.map(({ payload }) => Number(payload));
		const again = payloads.filter((each, at) => payloads.indexOf(each) !== at);
		t.strictSame(again, [], "none came again");
		t.strictSame(
			payloads,
			Array.from({ length: count }, (_, index) => index + 1),
		);
	},
);

t.test(
	"large messages are not kept for a client that never reads",
	async (t) => {
		const broker = await spawnBroker(t);
		const { port, pid } = broker;
		const stuck = await connectRaw({ port, clientId: "stuck" });
		await stuck.subscribe("large", 0);
		stuck.pause();
		const before = rssBytes(pid);
		forgetPeak(pid);
		const publisher = await connectRaw({ port, clientId: "publisher" });
		const payload = Buffer.alloc(MIB);
		for (let i = 0; i < 400; i++) await publisher.publish("large", payload);
		await publisher.ping();
		const grown = peakRssBytes(pid) - before;
		// A buffer of a megabyte for each message is garbage until the collector comes.
		t.ok(
			grown < 2 * NOISE_BYTES,
			`400 MiB were sent, memory grew by ${inMiB(grown)}`,
		);
	},
);

t.test("many publishers at once share the broker", async (t) => {
	const broker = await spawnBroker(t);
	const { port, pid } = broker;
	const probe = await startProbe(t, port);
	const before = rssBytes(pid);
	forgetPeak(pid);
	const payload = Buffer.alloc(PAYLOAD_BYTES);
	const bytes = publishBytes({ topic: "nobody", payload });
	const batch = Buffer.concat(Array.from({ length: 20 }, () => bytes));
	const publish = async (index: number) => {
		const client = await connectRaw({ port, clientId: `publisher-${index}` });
		for (let i = 0; i < 100; i++) await client.push(batch);
		await client.ping();
		await client.disconnect();
	};
	await Promise.all(Array.from({ length: 50 }, (_, index) => publish(index)));
	checkNoticed(t, await probe.result());
	const grown = peakRssBytes(pid) - before;
	t.ok(grown < NOISE_BYTES, `memory grew by ${inMiB(grown)}`);
});

interface Flood {
	/** Messages that the fast subscriber had a second while the flood lasted. */
	perSecond: number;
	/** What it had in the end. */
	received: number;
}

/** Has a thread publish as fast as the broker lets it, to a subscriber that keeps up. */
async function flood(
	{ port }: SpawnedBroker,
	qos: Qos,
	window = 100,
): Promise<Flood> {
	let received = 0;
	const fast = await connectRaw({
		port,
		clientId: "fast",
		onMessage: () => {
			received++;
		},
	});
	await fast.subscribe("flood", qos);
	const url = new URL("./flood-worker.ts", import.meta.url);
	const payloadBytes = PAYLOAD_BYTES;
	const workerData = { port, qos, count: COUNT, window, payloadBytes };
	const worker = new Worker(url, { workerData, execArgv: [] });
	const [milliseconds] = (await once(worker, "message")) as [number];
	const perSecond = Math.round((received / milliseconds) * 1000);
	await fast
		.until(() => received >= COUNT, "all messages", 1500)
		.catch(() => {
			// Fewer: the caller decides whether that is wrong.
		});
	await fast.disconnect();
	await worker.terminate();
	return { perSecond, received };
}

/** Reads for a moment, then not for a while, again and again. */
function readSlowly(t: Test, client: RawClient): void {
	client.pause();
	let isReading = false;
	const timer = setInterval(() => {
		isReading = !isReading;
		if (isReading) {
			client.socket.once("data", () => client.pause());
			client.resume();
		}
		client.messages.length = 0;
	}, 50);
	t.teardown(() => clearInterval(timer));
}
