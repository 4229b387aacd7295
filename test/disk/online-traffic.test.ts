/**
 * What reaches the disk when everybody is online: a real database, and a clock that the
 * test moves, so that a minute of traffic takes a second.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { StoreClient } from "../../src/store/store-client.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { HandDisk } from "../support/hand-disk.ts";
import {
	persistent,
	startRig,
	type TestClient,
	turns,
} from "../unit/broker/broker-fixture.ts";

const CLIENTS = 10;
const MESSAGES_A_SECOND = 100;
const STEP_MS = 1000 / MESSAGES_A_SECOND;

interface Traffic {
	readonly seconds: number;
	readonly lateMs: number;
}

interface Wear {
	readonly commits: number;
	readonly operations: number;
	readonly cancelled: number;
	readonly logGrew: boolean;
	/** The longest that a publisher waited for its PUBACK, ms. */
	readonly latencyMs: number;
}

/** Ten persistent clients, each of which publishes to the next one. */
async function exchange(t: Test, traffic: Traffic): Promise<Wear> {
	const clock = new FakeClock();
	const path = join(t.testdir(), "broker.db");
	const store = new StoreClient({
		path,
		clock,
		commitIntervalMs: 50,
		lazyIntervalMs: 5000,
		onFatal: (error) => t.fail(error.message),
		onTrouble: (words) => t.fail(words),
	});
	const rig = await startRig(t, {}, { clock, store });
	const clients: TestClient[] = [];
	for (let i = 0; i < CLIENTS; i++) {
		const client = await rig.join(`client-${i}`, persistent);
		await client.subscribe(`to/${i}`, 1);
		clients.push(client);
	}
	while (store.counters.pendingBytes > 0) await clock.advanceAsync(1);
	const before = { ...store.counters };
	const log = statSync(`${path}-wal`);
	const due: { atMs: number; client: TestClient; id: number }[] = [];
	const sentAt = new Map<TestClient, number[]>();
	let latencyMs = 0;
	let acknowledged = 0;
	const handle = async (client: TestClient) => {
		while (client.pending.length > 0) {
			const arrival = await client.next();
			if (typeof arrival === "string" || arrival.packet === null)
				throw new Error("closed");
			const { packet } = arrival;
			const now = clock.monotonicMs();
			if (packet.cmd === "publish")
				due.push({
					atMs: now + traffic.lateMs,
					client,
					id: packet.messageId ?? 0,
				});
			else if (packet.cmd === "puback") {
				const at = sentAt.get(client)?.shift() ?? 0;
				latencyMs = Math.max(latencyMs, now - at);
				acknowledged++;
			}
		}
	};
	const total = traffic.seconds * MESSAGES_A_SECOND;
	for (let i = 0; acknowledged < total; i++) {
		const client = clients[i % CLIENTS] as TestClient;
		if (i < total) {
			const to = `to/${(i * 7 + 3) % CLIENTS}`;
			client.publish(to, "21.5", 1, { messageId: 1 + (i % 60_000) });
			const times = sentAt.get(client) ?? [];
			times.push(clock.monotonicMs());
			sentAt.set(client, times);
		}
		for (let ms = 0; ms < STEP_MS; ms += STEP_MS / 2) {
			await clock.advanceAsync(STEP_MS / 2);
			// The worker works in real time, of which none passes here.
			while (store.counters.batchesInFlight > 0)
				await new Promise((resolve) => setImmediate(resolve));
			for (const each of clients) await handle(each);
			while ((due[0]?.atMs ?? Infinity) <= clock.monotonicMs()) {
				const next = due.shift();
				next?.client.acknowledge("puback", next.id);
			}
		}
	}
	const { counters } = store;
	return {
		commits: counters.commits - before.commits,
		operations: counters.operations - before.operations,
		cancelled: counters.cancelled - before.cancelled,
		logGrew: statSync(`${path}-wal`).mtimeMs !== log.mtimeMs,
		latencyMs,
	};
}

for (const lateMs of [0, 20])
	t.test(
		`ten online persistent clients write nothing when acknowledgements come ${lateMs} ms late`,
		async (t) => {
			const wear = await exchange(t, { seconds: 60, lateMs });
			t.match(wear, { commits: 0, operations: 0, cancelled: 6000 });
			t.notOk(wear.logGrew);
			t.ok(wear.latencyMs <= lateMs + 2 * STEP_MS);
		},
	);

t.test(
	"late acknowledgements cost one write a message, and few commits",
	async (t) => {
		const wear = await exchange(t, { seconds: 10, lateMs: 300 });
		t.comment(wear);
		t.ok(wear.commits <= 10 * 40, "two in an interval at most");
		t.ok(wear.latencyMs <= 50 + STEP_MS, "publishers wait an interval");
	},
);

t.test(
	"an entry does not wait when the publisher will not send it again: QoS 2, and a will [MQTT-4.3.3-2]",
	async (t) => {
		const clock = new FakeClock();
		const disk = new HandDisk({
			clock,
			commitIntervalMs: 50,
			lazyIntervalMs: 5000,
		});
		const rig = await startRig(t, {}, { clock, store: disk.store });
		const subscriber = await rig.join("subscriber", persistent);
		await subscriber.subscribe("#", 1);
		const publisher = await rig.join("publisher", {
			...persistent,
			will: {
				topic: "gone",
				payload: Buffer.from("w"),
				qos: 1,
				retain: false,
			},
		});
		publisher.publish("a", "m", 2, { messageId: 1 });
		t.equal((await publisher.expect("pubrec")).messageId, 1);
		t.equal((await subscriber.expect("publish")).topic, "a");
		const { operations } = disk.store.counters;
		publisher.destroy();
		t.equal((await subscriber.expect("publish")).topic, "gone");
		await turns(20);
		t.equal(disk.store.counters.operations, operations + 2, "will, session");
	},
);
