/** Bounds on what the whole broker keeps: refused, counted, and said with the key to raise. */
import t, { type Test } from "tap";
import { StoreClient } from "../../../src/store/store-client.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { persistent, type Rig, startRig } from "./broker-fixture.ts";

const QUOTA_EXCEEDED = 0x97;
const NO_SUBSCRIBER = 0x10;

function saysToRaise(rig: Rig, key: string): boolean {
	return rig.log.some((line) => line.includes(key));
}

t.test(
	"max_sessions refuses new client ids and lets known ones come back",
	async (t) => {
		const rig = await startRig(t, { max_sessions: 2 });
		const first = await rig.join("first", persistent);
		await rig.join("second");
		for (const [version, code] of [
			[5, QUOTA_EXCEEDED],
			[4, 3],
		] as const) {
			const third = rig.client(version);
			third.startConnect("third");
			const connack = await third.expect("connack");
			t.equal(
				version === 5 ? connack.reasonCode : connack.returnCode,
				code,
				`version ${version}`,
			);
		}
		t.ok(saysToRaise(rig, "max_sessions"));
		first.destroy();
		await rig.join("first", persistent);
		await rig.join("first", { clean: true });
		t.equal(rig.api.status.sessions, 2);
	},
);

t.test(
	"max_subscriptions refuses new filters and lets known ones be replaced",
	async (t) => {
		const rig = await startRig(t, { max_subscriptions: 2 });
		const client = await rig.join("c");
		await client.subscribe("a");
		await client.subscribe("b");
		const refused = await client.subscribe("c");
		t.strictSame(refused.granted, [QUOTA_EXCEEDED]);
		t.ok(saysToRaise(rig, "max_subscriptions"));
		const replaced = await client.subscribe("b", 1);
		t.strictSame(replaced.granted, [1]);
		t.equal(rig.api.status.subscriptions, 2);
	},
);

function realStore(t: Test): Parameters<typeof startRig>[2] {
	const clock = new FakeClock();
	const store = new StoreClient({
		path: `${t.testdir()}/broker.db`,
		clock,
		commitIntervalMs: 50,
		lazyIntervalMs: 5000,
		onFatal: (error) => t.fail(String(error)),
		onTrouble: (words) => t.equal(words, ""),
	});
	return { clock, store };
}

const stores: Record<string, (t: Test) => Parameters<typeof startRig>[2]> = {
	"a store in memory": () => ({}),
	"the real store": realStore,
};

for (const [name, options] of Object.entries(stores)) {
	t.test(
		`retained messages for new topics are refused when there are enough, with ${name}`,
		async (t) => {
			const rig = await startRig(t, { max_retained_messages: 2 }, options(t));
			const client = await rig.join("c");
			const retain = async (topic: string, payload: string, qos: 1 | 2) => {
				client.publish(topic, payload, qos, { retain: true });
				return await client.expect(qos === 1 ? "puback" : "pubrec");
			};
			t.equal((await retain("a", "1", 1)).reasonCode, NO_SUBSCRIBER);
			t.equal((await retain("b", "1", 1)).reasonCode, NO_SUBSCRIBER);
			t.equal((await retain("c", "1", 1)).reasonCode, QUOTA_EXCEEDED);
			t.equal((await retain("c", "1", 2)).reasonCode, QUOTA_EXCEEDED);
			t.equal(
				(await retain("c", "1", 2)).reasonCode,
				QUOTA_EXCEEDED,
				"the packet id was free again",
			);
			t.equal(rig.api.status.counters.refusedRetained, 3);
			t.ok(saysToRaise(rig, "raise=max_retained_messages"));
			t.equal((await retain("b", "2", 1)).reasonCode, NO_SUBSCRIBER);
			t.equal((await retain("a", "", 1)).reasonCode, NO_SUBSCRIBER, "cleared");
			t.equal((await retain("c", "2", 1)).reasonCode, NO_SUBSCRIBER, "room");
			t.equal((await retain("d", "1", 1)).reasonCode, QUOTA_EXCEEDED);
			t.strictSame(await retainedBy(rig), ["2 b", "2 c"]);
		},
	);
}

t.test(
	"a burst at the limit of retained messages is decided in its order",
	async (t) => {
		const rig = await startRig(t, { max_retained_messages: 3 }, realStore(t));
		const client = await rig.join("c");
		for (let i = 0; i < 300; i++) {
			client.publish(`t${i % 10}`, String(i), 1, {
				retain: true,
				messageId: i + 1,
			});
		}
		const codes: number[] = [];
		for (let i = 0; i < 300; i++) {
			codes.push((await client.expect("puback")).reasonCode ?? 0);
		}
		const kept = codes.flatMap((code, i) =>
			code === QUOTA_EXCEEDED ? [] : [i % 10],
		);
		t.strictSame([...new Set(kept)], [0, 1, 2], "the first three topics");
		t.equal(kept.length, 90, "each time");
		t.strictSame(await retainedBy(rig), ["290 t0", "291 t1", "292 t2"]);
	},
);

t.test(
	"max_retained_bytes bounds values of known topics too; a refused one is still delivered",
	async (t) => {
		const rig = await startRig(t, { max_retained_bytes: 1024 });
		const client = await rig.join("c");
		await client.subscribe("#", 0);
		const retain = async (topic: string, length: number) => {
			client.publish(topic, "x".repeat(length), 1, { retain: true });
			const arrival = await client.expect("publish");
			t.equal(arrival.payload.length, length, "delivered");
			return (await client.expect("puback")).reasonCode;
		};
		t.equal(await retain("a", 800), 0);
		t.equal(await retain("b", 300), QUOTA_EXCEEDED);
		t.ok(saysToRaise(rig, "raise=max_retained_bytes"));
		t.equal(await retain("a", 1100), QUOTA_EXCEEDED);
		t.equal(await retain("a", 500), 0);
		t.equal(await retain("b", 300), 0);
	},
);

for (const [key, value] of [
	["max_queued_messages_total", 3],
	["max_queued_bytes_total", 1024],
] as const) {
	t.test(`${key} bounds all queues together`, async (t) => {
		const rig = await startRig(t, { [key]: value });
		for (const name of ["a", "b"]) {
			const away = await rig.join(name, persistent);
			await away.subscribe("t");
			away.destroy();
		}
		const publisher = await rig.join("p");
		for (let i = 0; i < 3; i++) {
			publisher.publish("t", "x".repeat(300), 1);
			await publisher.expect("puback");
		}
		t.equal(rig.api.status.counters.queuedMessages, 3);
		t.equal(rig.api.status.counters.droppedQueueFull, 3);
		t.ok(saysToRaise(rig, `raise=${key}`));
	});
}

t.test(
	"queue_overflow = reject tells publishers that can be told",
	async (t) => {
		const rig = await startRig(t, {
			queue_overflow: "reject",
			max_offline_messages: 1,
		});
		const away = await rig.join("away", persistent);
		await away.subscribe("t");
		away.destroy();
		const reader = await rig.join("reader");
		await reader.subscribe("t", 0);
		const publisher = await rig.join("p");
		publisher.publish("t", "1", 1);
		t.equal((await publisher.expect("puback")).reasonCode, 0);
		publisher.publish("t", "2", 1);
		t.equal((await publisher.expect("puback")).reasonCode, QUOTA_EXCEEDED);
		publisher.publish("t", "3", 2);
		t.equal((await publisher.expect("pubrec")).reasonCode, QUOTA_EXCEEDED);
		const older = await rig.join("older", {}, 4);
		older.publish("t", "4", 2);
		await older.expect("pubrec");
		older.acknowledge("pubrel", 1);
		await older.expect("pubcomp");
		t.equal(rig.api.status.counters.rejectedQueueFull, 3);
		t.strictSame(
			(await reader.settled()).map((each) => each.split(" ")[1]),
			["1", "2", "3", "4"],
			"the others have it",
		);
	},
);

t.test(
	"queue_qos0_messages keeps QoS 0 for a client that is away, in order",
	async (t) => {
		const rig = await startRig(t, { queue_qos0_messages: "on" });
		const away = await rig.join("away", persistent);
		await away.subscribe("t", 1);
		away.destroy();
		const publisher = await rig.join("p");
		for (let i = 0; i < 6; i++) {
			publisher.publish("t", String(i), i % 2 === 0 ? 0 : 1);
		}
		await publisher.settled();
		t.equal(rig.api.status.counters.queuedMessages, 6);
		const back = await rig.join("away", {
			...persistent,
			properties: { sessionExpiryInterval: 1000, receiveMaximum: 2 },
		});
		publisher.publish("t", "6", 0);
		await publisher.settled();
		const payloads: string[] = [];
		while (payloads.length < 7) {
			const message = await back.expect("publish");
			payloads.push(String(message.payload));
			if (message.qos === 1) {
				back.acknowledge("puback", message.messageId ?? 0);
			}
		}
		t.strictSame(payloads, ["0", "1", "2", "3", "4", "5", "6"]);
		await back.settled();
		t.equal(rig.api.status.counters.queuedMessages, 0);
		t.equal(rig.broker.messages.used, 0);
	},
);

/** `payload topic` of all that is retained, in the order of topics. */
async function retainedBy(rig: Rig): Promise<string[]> {
	const page = await rig.store.scanRetained("#", null).next(1000, 1_000_000);
	return page
		.map(({ message }) => `${message.payload} ${message.topic}`)
		.toSorted((a, b) => (a.slice(-2) < b.slice(-2) ? -1 : 1));
}
