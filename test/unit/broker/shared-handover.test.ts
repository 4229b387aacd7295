/** What becomes of a shared subscription's messages when a member leaves. */
import t from "tap";
import type { LateStore } from "../../support/late-store.ts";
import { startBroker } from "../../support/start-broker.ts";
import { PersistentBroker } from "../session/persistent-broker.ts";
import {
	persistent,
	type Rig,
	startHandRig,
	startRig,
	TestClient,
	turns,
} from "./broker-fixture.ts";

const FILTER = "$share/g/a";
const oneAtATime = {
	...persistent,
	properties: { ...persistent.properties, receiveMaximum: 1 },
};

/** Publishes and waits for the acknowledgement. */
async function publish(rig: Rig, payload: string, qos: 1 | 2): Promise<void> {
	const publisher = await rig.join("publisher");
	publisher.publish("a", payload, qos);
	await publisher.next();
	publisher.destroy();
	await turns();
}

async function member(
	rig: Rig,
	clientId: string,
	options: Parameters<Rig["join"]>[1] = {},
	qos: 0 | 1 | 2 = 2,
): Promise<TestClient> {
	const joined = await rig.join(clientId, options);
	await joined.subscribe(FILTER, qos);
	return joined;
}

async function leave(client: TestClient): Promise<void> {
	client.destroy();
	await turns(20);
}

t.test(
	"unacknowledged QoS 1 and what waits behind it go to a member that is online",
	async (t) => {
		for (const options of [{ properties: { receiveMaximum: 1 } }, oneAtATime]) {
			const rig = await startRig(t);
			const leaving = await member(rig, "leaving", options);
			for (const payload of ["1", "2", "3"]) await publish(rig, payload, 1);
			t.strictSame(await leaving.settled(), ["publish 1 q1 #1"]);
			const heir = await member(rig, "heir");
			await leave(leaving);
			t.strictSame(await heir.settled(), [
				"publish 1 q1 #1",
				"publish 2 q1 #2",
				"publish 3 q1 #3",
			]);
			for (const id of [1, 2, 3]) heir.acknowledge("puback", id);
			await heir.settle();
			t.equal(rig.broker.counters.queuedMessages, 0);
			t.equal(rig.broker.messages.used, 0);
		}
	},
);

t.test(
	"what an offline member has on disk goes to members that are online, page by page",
	async (t) => {
		const rig = await startRig(t);
		const leaving = await member(rig, "leaving", oneAtATime);
		const publisher = await rig.join("publisher");
		for (let i = 1; i <= 250; i++)
			publisher.publish("a", `${i}`, 1, { messageId: i });
		await publisher.settle();
		const heir = await member(rig, "heir", {
			properties: { receiveMaximum: 65_535 },
		});
		rig.broker.settings.max_online_messages = 500;
		await leave(leaving);
		await turns(50);
		const received: string[] = [];
		for (let round = 0; round < 30; round++) {
			for (const note of await heir.settled()) {
				received.push(note.split(" ")[1] ?? "");
				heir.acknowledge("puback", Number(note.split("#")[1]));
			}
		}
		t.strictSame(new Set(received).size, 250);
		t.equal(rig.broker.counters.queuedMessages, 0);
		t.equal(rig.broker.messages.used, 0);
	},
);

t.test(
	"a QoS 2 message that was sent stays with its session [MQTT-4.8.2-4]",
	async (t) => {
		const rig = await startRig(t);
		const leaving = await member(rig, "leaving", persistent);
		await publish(rig, "sent", 2);
		await turns();
		t.strictSame(await leaving.settled(), ["publish sent q2 #1"]);
		const heir = await member(rig, "heir");
		await leave(leaving);
		t.strictSame(await heir.settled(), []);
		const again = await rig.join("leaving", persistent);
		await turns();
		t.strictSame(await again.settled(), ["publish sent q2 #1 dup"]);
	},
);

t.test(
	"a QoS 2 message that was not sent yet goes to another member",
	async (t) => {
		const rig = await startRig(t);
		const leaving = await member(rig, "leaving", oneAtATime);
		await publish(rig, "sent", 2);
		await publish(rig, "waiting", 2);
		const heir = await member(rig, "heir");
		await leave(leaving);
		t.strictSame(await heir.settled(), ["publish waiting q2 #1"]);
	},
);

t.test(
	"a QoS 2 message that was sent is not given to others when its session ends [MQTT-4.8.2-5]",
	async (t) => {
		for (const options of [{}, persistent]) {
			const rig = await startRig(t);
			const leaving = await member(rig, "leaving", options);
			await publish(rig, "sent", 2);
			await turns();
			t.strictSame(await leaving.settled(), ["publish sent q2 #1"]);
			const heir = await member(rig, "heir", persistent);
			leaving.write({
				cmd: "disconnect",
				properties: { sessionExpiryInterval: 0 },
			});
			await turns(20);
			t.strictSame(await heir.settled(), []);
			t.equal(rig.broker.counters.queuedMessages, 0);
			t.equal(rig.broker.messages.used, 0);
		}
	},
);

t.test(
	"a QoS 2 message sent on an earlier connection is not given to others, sent again or not [MQTT-4.8.2-4]",
	async (t) => {
		const rig = await startRig(t);
		const leaving = await member(rig, "leaving", persistent);
		await publish(rig, "one", 2);
		await publish(rig, "two", 2);
		await turns();
		t.equal((await leaving.settled()).length, 2);
		await leave(leaving);
		const again = await rig.join("leaving", oneAtATime);
		await turns();
		t.strictSame(await again.settled(), ["publish one q2 #1 dup"]);
		const heir = await member(rig, "heir");
		await leave(again);
		t.strictSame(await heir.settled(), []);
	},
);

t.test(
	"a QoS 2 message that waits for PUBCOMP is not given to others [MQTT-4.8.2-4]",
	async (t) => {
		const rig = await startRig(t);
		const leaving = await member(rig, "leaving", persistent);
		await publish(rig, "m", 2);
		await turns();
		t.strictSame(await leaving.settled(), ["publish m q2 #1"]);
		leaving.acknowledge("pubrec", 1);
		await turns();
		t.strictSame(await leaving.settled(), ["pubrel 1"]);
		await leave(leaving);
		const again = await rig.join("leaving", persistent);
		await turns();
		t.strictSame(await again.settled(), ["pubrel 1"]);
		const heir = await member(rig, "heir");
		await leave(again);
		t.strictSame(await heir.settled(), []);
	},
);

t.test("a refused message goes to nobody else [MQTT-4.8.2-6]", async (t) => {
	for (const qos of [1, 2] as const) {
		const rig = await startRig(t);
		const refusing = await member(rig, "refusing");
		await publish(rig, "m", qos);
		t.equal((await refusing.settled()).length, 1);
		const other = await member(rig, "other");
		refusing.acknowledge(qos === 1 ? "puback" : "pubrec", 1, 0x80);
		await refusing.settle();
		await leave(refusing);
		t.strictSame(await other.settled(), []);
		t.equal(rig.broker.messages.used, 0);
	}
});

t.test(
	"with nobody else online a persistent member keeps its messages",
	async (t) => {
		const rig = await startRig(t);
		const other = await member(rig, "other", persistent);
		await leave(other);
		const leaving = await member(rig, "leaving", persistent);
		await publish(rig, "m", 1);
		await leave(leaving);
		const back = await rig.join("other", persistent);
		t.strictSame(await back.settled(), []);
		const again = await rig.join("leaving", persistent);
		await turns();
		t.strictSame(await again.settled(), ["publish m q1 #1 dup"]);
	},
);

t.test(
	"a clean member leaves its messages to a persistent one that is offline",
	async (t) => {
		const rig = await startRig(t);
		await leave(await member(rig, "away", persistent));
		const leaving = await member(rig, "leaving");
		await publish(rig, "m", 1);
		t.equal((await leaving.settled()).length, 1);
		await leave(leaving);
		const back = await rig.join("away", persistent);
		await turns();
		t.strictSame(await back.settled(), ["publish m q1 #1"]);
	},
);

t.test(
	"when the session of a persistent member ends, its QoS 1 messages go to another",
	async (t) => {
		const endings: [
			string,
			(rig: Rig, leaving: TestClient) => Promise<unknown>,
		][] = [
			[
				"DISCONNECT with expiry 0",
				async (_rig, leaving) =>
					leaving.write({
						cmd: "disconnect",
						properties: { sessionExpiryInterval: 0 },
					}),
			],
			[
				"Clean Start",
				async (rig, leaving) => {
					await leave(leaving);
					await rig.join("leaving");
				},
			],
			[
				"expiry",
				async (rig, leaving) => {
					await leave(leaving);
					await rig.clock.advanceAsync(1_001_000);
				},
			],
		];
		for (const [words, end] of endings) {
			const rig = await startRig(t);
			const leaving = await member(rig, "leaving", oneAtATime);
			for (const payload of ["1", "2"]) await publish(rig, payload, 1);
			const never = {
				...persistent,
				properties: { sessionExpiryInterval: 0xffffffff },
			};
			await leave(await member(rig, "heir", never));
			await end(rig, leaving);
			await turns(20);
			const heir = await rig.join("heir", never);
			await turns();
			t.strictSame(
				await heir.settled(),
				["publish 1 q1 #1", "publish 2 q1 #2"],
				words,
			);
			for (const id of [1, 2]) heir.acknowledge("puback", id);
			await heir.settle();
			t.equal(rig.broker.counters.queuedMessages, 0, words);
			t.equal(rig.broker.messages.used, 0, words);
		}
	},
);

t.test(
	"counts stay right when a session ends while its messages are being handed over",
	async (t) => {
		const rig = await startHandRig(t);
		const leaving = await member(rig, "leaving", oneAtATime);
		const publisher = await rig.join("publisher");
		for (let i = 1; i <= 100; i++)
			publisher.publish("a", `${i}`, 1, { messageId: i });
		await turns(30);
		t.equal((await publisher.settled()).length, 100);
		const heir = await member(rig, "heir", {
			properties: { receiveMaximum: 65_535 },
		});
		rig.hand.hold();
		leaving.write({
			cmd: "disconnect",
			properties: { sessionExpiryInterval: 0 },
		});
		await turns();
		await rig.hand.release();
		let count = 0;
		for (let round = 0; round < 20; round++) {
			for (const note of await heir.settled()) {
				count++;
				heir.acknowledge("puback", Number(note.split("#")[1]));
			}
		}
		t.equal(count, 100, "what was on disk is handed over too");
		t.equal(rig.broker.counters.queuedMessages, 0);
		t.equal(rig.broker.counters.queuedBytes, 0);
		t.equal(rig.broker.messages.used, 0);
	},
);

t.test("handing over stops when the client is back", async (t) => {
	const rig = await startHandRig(t);
	const leaving = await member(rig, "leaving", oneAtATime);
	const publisher = await rig.join("publisher");
	for (let i = 1; i <= 100; i++)
		publisher.publish("a", `${i}`, 1, { messageId: i });
	await turns(30);
	t.equal((await publisher.settled()).length, 100);
	const heir = await member(rig, "heir", {
		properties: { receiveMaximum: 65_535 },
	});
	rig.hand.hold();
	leaving.destroy();
	await turns();
	const handed = (await heir.settled()).length;
	t.ok(handed > 0 && handed < 100, "what was in memory");
	const again = rig.client();
	again.startConnect("leaving", persistent);
	await turns();
	await rig.hand.release();
	await again.expect("connack");
	const back = await again.settled();
	t.ok(back.length > 0, "the rest is its own again");
});

t.test("a read that fails while handing over is logged", async (t) => {
	const rig = await startRig(t);
	const leaving = await member(rig, "leaving", oneAtATime);
	await publish(rig, "1", 2);
	await turns();
	await member(rig, "heir");
	rig.store.readQueue = () => Promise.reject(new Error("no luck"));
	await leave(leaving);
	t.match(rig.log.join("\n"), /cannot read a queue.*no luck/);
});

t.test(
	"an orderly stop loses nothing of a persistent member, whoever else is connected",
	async (t) => {
		const rig = await startRig(t);
		const lasting = await member(rig, "lasting", persistent);
		await publish(rig, "m", 1);
		t.strictSame(await lasting.settled(), ["publish m q1 #1"]);
		await member(rig, "clean");
		await rig.stop();
		const store = (rig.store as LateStore).restart();
		const next = await startBroker(t, {}, { store, clock: rig.clock });
		const again = new TestClient(next.open());
		await again.connect("lasting", persistent);
		await turns();
		t.match(await again.settled(), [/^publish m q1/]);
	},
);

t.test(
	"a member takes over with the QoS it was granted [MQTT-4.8.2-3]",
	async (t) => {
		const rig = await startRig(t);
		const leaving = await member(rig, "leaving");
		await publish(rig, "m", 1);
		await leaving.settle();
		const heir = await member(rig, "heir", {}, 0);
		await leave(leaving);
		t.strictSame(await heir.settled(), ["publish m q0"]);
	},
);

t.test(
	"of several members the one with the fewest messages takes over",
	async (t) => {
		const rig = await startRig(t, {
			shared_subscription_policy: "round_robin",
		});
		const busy = await rig.join("busy");
		await busy.subscribe("other");
		await busy.subscribe(FILTER);
		const leaving = await member(rig, "leaving");
		const idle = await rig.join("idle");
		const publisher = await rig.join("publisher");
		publisher.publish("other", "x", 1);
		await publisher.expect("puback");
		for (const payload of ["1", "2"]) await publish(rig, payload, 1);
		t.equal((await leaving.settled()).length, 1);
		await idle.subscribe(FILTER);
		await leave(leaving);
		t.equal((await idle.settled()).length, 1);
	},
);

t.test(
	"an end that a power cut interrupts is finished by the next start: the old session is gone, its messages are not",
	async (t) => {
		const broker = new PersistentBroker();
		await broker.start();
		const old = await broker.connect("device", 1000, 1);
		old.startSubscribe(FILTER, 1);
		while (await broker.step());
		t.strictSame(await old.settled(), ["suback 1000"]);
		const publisher = await broker.connect("publisher", 0);
		for (let id = 1; id <= 120; id++)
			publisher.publish("a", `${id}`, 1, { messageId: id });
		await publisher.settle();
		while (await broker.step());
		old.destroy();
		const heir = await broker.connect("heir", 1000);
		heir.startSubscribe(FILTER, 1);
		while (await broker.step());
		// A clean start: what the old session has goes to the heir, page by page.
		const again = new TestClient(broker.open());
		again.startConnect("device", {
			properties: { sessionExpiryInterval: 1000 },
		});
		await broker.step(2);
		again.destroy();
		heir.destroy();
		publisher.destroy();
		await broker.crash();
		while (await broker.step());
		t.equal(broker.broker.router.subscriptions.size, 1, "the heir's own");
		const resumed = await broker.connect("heir", 1000);
		const got = new Set<string>();
		for (let round = 0; round < 20; round++) {
			while (await broker.step());
			for (const note of await resumed.settled()) {
				const [cmd, payload] = note.split(" ");
				if (cmd === "publish") got.add(payload ?? "");
				resumed.acknowledge(
					"puback",
					Number(note.split("#")[1]?.split(" ")[0]),
				);
			}
		}
		t.equal(got.size, 120);
		resumed.destroy();
		await broker.stop();
	},
);
