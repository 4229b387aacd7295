/**
 * Which packet waits for which commit, and which does not: the store commits only when
 * a test says so.
 */
import t from "tap";
import { persistent, startHandRig, turns } from "../broker/broker-fixture.ts";

t.test(
	"PUBACK waits until the message is on disk for every persistent session it is owed to",
	async (t) => {
		const { join, hand } = await startHandRig(t);
		const one = await join("one", persistent);
		const two = await join("two", persistent);
		await one.subscribe("a");
		await two.subscribe("#");
		const publisher = await join("publisher");
		hand.hold();
		publisher.publish("a", "m", 1, { messageId: 7 });
		t.strictSame(await publisher.settled(), []);
		t.strictSame(
			await one.settled(),
			["publish m q1 #1"],
			"subscribers do not wait",
		);
		t.ok(await hand.step());
		t.strictSame(await publisher.settled(), ["puback 7"]);
	},
);

t.test("PUBACK waits for an offline session's copy", async (t) => {
	const { join, hand } = await startHandRig(t);
	const away = await join("away", persistent);
	await away.subscribe("a");
	away.destroy();
	const publisher = await join("publisher");
	hand.hold();
	publisher.publish("a", "m", 1, { messageId: 7 });
	t.strictSame(await publisher.settled(), []);
	await hand.release();
	t.strictSame(await publisher.settled(), ["puback 7"]);
});

t.test(
	"PUBACK waits for a retained value of QoS 1, and for its removal",
	async (t) => {
		const { join, hand } = await startHandRig(t);
		const publisher = await join("publisher");
		hand.hold();
		publisher.publish("a", "m", 1, { messageId: 1, retain: true });
		t.strictSame(await publisher.settled(), []);
		await hand.step();
		t.strictSame(await publisher.settled(), ["puback 1 16"]);
		publisher.publish("a", "", 1, { messageId: 2, retain: true });
		t.strictSame(await publisher.settled(), []);
		await hand.step();
		t.strictSame(await publisher.settled(), ["puback 2 16"]);
	},
);

t.test(
	"a publish that owes the disk nothing is acknowledged at once",
	async (t) => {
		const { join, hand } = await startHandRig(t);
		const clean = await join("clean");
		await clean.subscribe("a");
		const lazy = await join("lazy", persistent);
		await lazy.subscribe("a", 0);
		const publisher = await join("publisher");
		hand.hold();
		publisher.publish("a", "m", 1, { messageId: 1 });
		publisher.publish("a", "m", 2, { messageId: 2 });
		publisher.publish("nobody", "m", 1, { messageId: 3 });
		t.strictSame(await publisher.settled(), [
			"puback 1",
			"pubrec 2",
			"puback 3 16",
		]);
		publisher.acknowledge("pubrel", 2);
		t.strictSame(await publisher.settled(), ["pubcomp 2"]);
		t.strictSame((await lazy.settled()).length, 2);
		t.notOk(await hand.step(), "nothing was written");
	},
);

t.test(
	"PUBREC waits for the message and for the received id of a persistent publisher [MQTT-4.3.3-9]",
	async (t) => {
		const { join, hand } = await startHandRig(t);
		const publisher = await join("publisher", persistent);
		hand.hold();
		publisher.publish("nobody", "m", 2, { messageId: 5 });
		t.strictSame(await publisher.settled(), []);
		await hand.step();
		t.strictSame(await publisher.settled(), ["pubrec 5 16"]);
	},
);

t.test(
	"PUBCOMP of a persistent publisher waits until its id is free on disk",
	async (t) => {
		const { join, hand } = await startHandRig(t);
		const publisher = await join("publisher", persistent);
		publisher.publish("nobody", "m", 2, { messageId: 5 });
		t.equal((await publisher.expect("pubrec")).messageId, 5);
		hand.hold();
		publisher.acknowledge("pubrel", 5);
		t.strictSame(await publisher.settled(), []);
		await hand.step();
		t.strictSame(await publisher.settled(), ["pubcomp 5"]);
	},
);

t.test(
	"acknowledgements leave in the order of their packets: one that waits holds back the others [MQTT-4.6.0-2] [MQTT-4.6.0-3]",
	async (t) => {
		const { join, hand } = await startHandRig(t);
		const keeper = await join("keeper", persistent);
		await keeper.subscribe("kept");
		const publisher = await join("publisher");
		hand.hold();
		publisher.publish("free", "m", 1, { messageId: 1 });
		publisher.publish("kept", "m", 1, { messageId: 2 });
		publisher.publish("free", "m", 2, { messageId: 3 });
		publisher.publish("kept", "m", 2, { messageId: 4 });
		publisher.startSubscribe("x");
		publisher.publish("free", "m", 1, { messageId: 5 });
		t.strictSame(await publisher.settled(), ["puback 1 16"]);
		await hand.release();
		t.strictSame(await publisher.settled(), [
			"puback 2",
			"pubrec 3 16",
			"pubrec 4",
			"suback 1000",
			"puback 5 16",
		]);
	},
);

t.test(
	"QoS 2 goes to a persistent subscriber when message and id are on disk, PUBREL when its phase is",
	async (t) => {
		const { join, hand } = await startHandRig(t);
		const subscriber = await join("subscriber", persistent);
		await subscriber.subscribe("a");
		const publisher = await join("publisher");
		hand.hold();
		publisher.publish("a", "m", 2, { messageId: 9 });
		t.strictSame(await publisher.settled(), []);
		t.strictSame(await subscriber.settled(), []);
		await hand.step();
		t.strictSame(await publisher.settled(), ["pubrec 9"]);
		t.strictSame(await subscriber.settled(), ["publish m q2 #1"]);
		subscriber.acknowledge("pubrec", 1);
		t.strictSame(await subscriber.settled(), []);
		await hand.step();
		t.strictSame(await subscriber.settled(), ["pubrel 1"]);
		subscriber.acknowledge("pubcomp", 1);
		t.strictSame(await subscriber.settled(), []);
	},
);

t.test("SUBACK and UNSUBACK wait for a persistent session only", async (t) => {
	const { join, hand } = await startHandRig(t);
	const lasting = await join("lasting", persistent);
	const clean = await join("clean");
	hand.hold();
	lasting.startSubscribe("a", 2, { rh: 2 });
	clean.startSubscribe("a", 2, { rh: 2 });
	t.strictSame(await clean.settled(), ["suback 1000"]);
	t.strictSame(await lasting.settled(), []);
	await hand.step();
	t.strictSame(await lasting.settled(), ["suback 1000"]);
	for (const client of [lasting, clean])
		client.write({ cmd: "unsubscribe", messageId: 8, unsubscriptions: ["a"] });
	t.strictSame(await clean.settled(), ["unsuback 8"]);
	t.strictSame(await lasting.settled(), []);
	await hand.step();
	t.strictSame(await lasting.settled(), ["unsuback 8"]);
});

t.test("a SUBACK with nothing but refusals waits for nothing", async (t) => {
	const { join, hand } = await startHandRig(t);
	const lasting = await join("lasting", persistent);
	hand.hold();
	lasting.startSubscribe("a/#/b");
	t.strictSame(await lasting.settled(), ["suback 1000"]);
	t.notOk(await hand.step());
});

t.test("retained messages follow the SUBACK, however late it is", async (t) => {
	const { join, hand } = await startHandRig(t);
	const publisher = await join("publisher");
	publisher.publish("a", "kept", 1, { retain: true });
	await publisher.expect("puback");
	const lasting = await join("lasting", persistent);
	hand.hold();
	lasting.startSubscribe("a", 1);
	t.strictSame(await lasting.settled(), []);
	await hand.release();
	t.strictSame(await lasting.settled(), [
		"suback 1000",
		"publish kept q1 #1 retain",
	]);
});

t.test(
	"CONNACK waits when it creates, resumes or discards a persistent session",
	async (t) => {
		const { join, client, hand } = await startHandRig(t);
		hand.hold();
		const step = async (
			label: string,
			options: Parameters<typeof join>[1],
			sessionPresent: boolean,
		) => {
			const joining = client();
			const connack = joining.connect("c", options);
			await turns();
			t.equal(joining.pending.length, 0, `${label} waits`);
			await hand.release();
			hand.hold();
			t.equal((await connack).sessionPresent, sessionPresent, label);
			joining.destroy();
			await turns();
			await hand.release();
			hand.hold();
		};
		await step("creation", persistent, false);
		await step("resumption", persistent, true);
		await step("discarding", { clean: true }, false);
	},
);

t.test("CONNACK of a clean session waits for nothing", async (t) => {
	const { client, hand } = await startHandRig(t);
	hand.hold();
	t.equal((await client().connect("clean")).reasonCode, 0);
	t.notOk(await hand.step());
});

t.test(
	"nothing is sent before CONNACK, and what was sent ahead is handled after it [MQTT-3.2.0-1] [MQTT-3.1.4-6]",
	async (t) => {
		const { join, client, hand } = await startHandRig(t);
		const early = await join("early", persistent);
		await early.subscribe("a");
		const publisher = await join("publisher");
		early.destroy();
		await turns();
		publisher.publish("a", "offline", 1, { messageId: 1 });
		await publisher.expect("puback");
		hand.hold();
		const again = client();
		again.startConnect("early", persistent);
		again.publish("x", "ahead", 1, { messageId: 4 });
		publisher.publish("a", "zero", 0);
		publisher.publish("a", "one", 1, { messageId: 2 });
		t.strictSame(await publisher.settled(), []);
		t.equal(again.pending.length, 0);
		await hand.release();
		t.strictSame(
			(await again.settled()).filter((note) => !note.includes(" zero ")),
			[
				"connack",
				"puback 4 16",
				"publish offline q1 #1",
				"publish one q1 #2",
			].toSorted((a, b) => Number(b === "connack") - Number(a === "connack")),
		);
		t.strictSame(await publisher.settled(), ["puback 2"]);
	},
);

t.test(
	"a handed-over QoS 0 message does not leave before CONNACK [MQTT-3.2.0-1]",
	async (t) => {
		const { join, client, hand } = await startHandRig(t);
		const leaving = await join("leaving");
		await leaving.subscribe("$share/g/a", 1);
		const publisher = await join("publisher");
		publisher.publish("a", "m", 1);
		await publisher.expect("puback");
		t.strictSame(await leaving.settled(), ["publish m q1 #1"]);
		const heir = await join("heir", persistent);
		await heir.subscribe("$share/g/a", 0);
		heir.destroy();
		await turns();
		hand.hold();
		const again = client();
		again.startConnect("heir", persistent);
		await turns();
		leaving.destroy();
		await turns();
		t.strictSame(await again.take(), []);
		await hand.release();
		t.equal((await again.expect("connack")).sessionPresent, true);
	},
);

t.test(
	"a repeated QoS 2 PUBLISH is not acknowledged before the first is on disk",
	async (t) => {
		const { join, client, hand } = await startHandRig(t);
		const keeper = await join("keeper", persistent);
		await keeper.subscribe("a", 1);
		const publisher = await join("publisher", persistent);
		hand.hold();
		publisher.publish("a", "m", 2, { messageId: 3 });
		await publisher.settle();
		publisher.destroy();
		const again = client();
		const connack = again.connect("publisher", persistent);
		await turns();
		again.publish("a", "m", 2, { messageId: 3, dup: true });
		await turns();
		t.equal(again.pending.length, 0);
		await hand.release();
		await connack;
		t.strictSame(await again.settled(), ["pubrec 3"]);
		t.strictSame(await keeper.settled(), ["publish m q1 #1"], "given once");
	},
);

t.test(
	"QoS 2 messages that wait for PUBREC count once against Receive Maximum [MQTT-3.3.4-7]",
	async (t) => {
		const { join, hand } = await startHandRig(t, { receive_max_broker: 4 });
		const keeper = await join("keeper", persistent);
		await keeper.subscribe("a", 1);
		const publisher = await join("publisher");
		hand.hold();
		for (let messageId = 1; messageId <= 4; messageId++)
			publisher.publish("a", "m", 2, { messageId });
		t.strictSame(await publisher.settled(), [], "four are allowed");
		publisher.publish("a", "m", 2, { messageId: 5 });
		t.equal((await publisher.expect("disconnect")).reasonCode, 0x93);
	},
);

t.test(
	"only messages count against Receive Maximum, a SUBSCRIBE does not [MQTT-3.3.4-7]",
	async (t) => {
		const { join, hand } = await startHandRig(t, { receive_max_broker: 2 });
		const publisher = await join("publisher", persistent);
		hand.hold();
		publisher.startSubscribe("x");
		publisher.publish("nobody", "m", 1, { messageId: 1 });
		publisher.publish("nobody", "m", 1, { messageId: 2 });
		t.strictSame(await publisher.settled(), []);
		await hand.release();
		t.strictSame(await publisher.settled(), [
			"suback 1000",
			"puback 1 16",
			"puback 2 16",
		]);
	},
);

t.test("commits for a client that is gone disturb nobody", async (t) => {
	const { join, hand, broker } = await startHandRig(t);
	const publisher = await join("publisher");
	const lasting = await join("lasting", persistent);
	hand.hold();
	publisher.publish("r", "m", 1, { retain: true });
	lasting.startSubscribe("a");
	await publisher.settle();
	await lasting.settle();
	publisher.destroy();
	lasting.destroy();
	await hand.release();
	t.equal(broker.connections.size, 0);
	t.equal(broker.messages.used, 0);
});

t.test(
	"a client with a thousand unanswered packets is not read until they are answered",
	async (t) => {
		const { join, hand, broker } = await startHandRig(t, {
			receive_max_broker: 5000,
		});
		const publisher = await join("publisher");
		hand.hold();
		for (let messageId = 1; messageId <= 1500; messageId++)
			publisher.publish("r", "m", 1, { messageId, retain: true });
		await turns(20);
		t.equal(broker.statistics.publishReceived, 1000);
		await hand.release();
		t.equal((await publisher.settled()).length, 1500);
		t.equal(broker.statistics.publishReceived, 1500);
	},
);
