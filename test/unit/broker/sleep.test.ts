/** Sessions that are no objects behave as all others do. */
import t from "tap";
import {
	persistent,
	type Rig,
	startRig,
	type TestClient,
	turns,
} from "./broker-fixture.ts";

const away = { awayInMemory: 0 };

/** Ends the connection; the broker has noticed when this returns. */
async function leave(rig: Rig, client: TestClient): Promise<void> {
	const { size } = rig.broker.connections;
	client.destroy();
	while (rig.broker.connections.size === size) await turns();
}

/** The next messages, with what matters of their flags. */
async function messages(client: TestClient, count: number): Promise<string[]> {
	const found: string[] = [];
	while (found.length < count) {
		const { payload, qos, retain } = await client.expect("publish");
		found.push(`${payload} q${qos}${retain ? " retain" : ""}`);
	}
	return found;
}

t.test(
	"messages for a sleeper wait, in order, with the merged options of its subscriptions [MQTT-3.3.4-2] [MQTT-3.3.4-3]",
	async (t) => {
		const rig = await startRig(t, {}, away);
		const before = await rig.join("s", persistent);
		await before.subscribe("house/+", 1);
		await before.subscribe("house/#", 2);
		await before.subscribe("other", 0);
		await leave(rig, before);
		const publisher = await rig.join("p");
		t.equal(rig.broker.registry.awake("s"), undefined, "it sleeps");
		t.ok(rig.broker.registry.has("s"));
		for (const [i, qos] of [1, 2, 0].entries()) {
			publisher.publish("house/light", `m${i}`, qos as 0 | 1 | 2, {
				...(qos > 0 && { messageId: i + 1 }),
			});
		}
		publisher.publish("other", "no", 1, { messageId: 9 });
		await publisher.settled();
		t.equal(rig.broker.registry.awake("s"), undefined, "it sleeps on");
		t.equal(rig.api.status.counters.queuedMessages, 2);
		const after = await rig.join("s", persistent);
		t.strictSame(await messages(after, 2), ["m0 q1", "m1 q2"]);
		t.equal(rig.broker.registry.get("s")?.subscriptions.size, 3);
	},
);

t.test("its filters are still there after waking [MQTT-3.1.2-5]", async (t) => {
	const rig = await startRig(t, {}, away);
	const filters = ["#", "+/b", "a/b", "ü/日本/🌍", "/", "a/#"];
	const before = await rig.join("s", persistent);
	for (const filter of filters) await before.subscribe(filter, 1);
	await leave(rig, before);
	const after = await rig.join("s", persistent);
	const session = rig.broker.registry.get("s");
	t.strictSame(
		session?.subscriptions.values().map(({ filter }) => filter),
		filters,
	);
	after.publish("a/b", "m", 1);
	t.strictSame(await messages(after, 1), ["m q1"]);
	t.match(rig.api.status, { sessions: 1, subscriptions: 6 });
});

t.test(
	"no message comes back to a sleeper that wants none of its own [MQTT-3.8.3-3]",
	async (t) => {
		const rig = await startRig(t, {}, away);
		const will = {
			topic: "t",
			payload: Buffer.from("mine"),
			qos: 1 as const,
			retain: false,
		};
		const client = await rig.join("s", { ...persistent, will });
		await client.subscribe("t", 1, { nl: true });
		await leave(rig, client);
		const other = await rig.join("o", persistent);
		other.publish("t", "theirs", 1);
		await other.settled();
		const back = await rig.join("s", persistent);
		t.strictSame(await messages(back, 1), ["theirs q1"]);
	},
);

t.test(
	"a full queue of a sleeper drops the oldest, then it sleeps again",
	async (t) => {
		const rig = await startRig(
			t,
			{ queue_overflow: "drop_oldest", max_offline_messages: 3 },
			away,
		);
		const before = await rig.join("s", persistent);
		await before.subscribe("t", 1);
		await leave(rig, before);
		const publisher = await rig.join("p");
		for (let i = 1; i <= 9; i++) {
			publisher.publish("t", `m${i}`, 1, { messageId: i });
			await publisher.settled();
		}
		const after = await rig.join("s", persistent);
		t.strictSame(await messages(after, 3), ["m7 q1", "m8 q1", "m9 q1"]);
	},
);

t.test("a member of a shared group stays awake", async (t) => {
	const rig = await startRig(t, {}, away);
	const before = await rig.join("s", persistent);
	await before.subscribe("$share/g/t", 1);
	await before.subscribe("t", 1);
	await leave(rig, before);
	await (await rig.join("p")).settled();
	t.ok(rig.broker.registry.awake("s"));
	t.equal(rig.api.status.sharedSubscriptions, 1);
});

t.test("QoS 0 is queued for a sleeper where the settings say so", async (t) => {
	const rig = await startRig(t, { queue_qos0_messages: "on" }, away);
	const before = await rig.join("s", persistent);
	await before.subscribe("t", 0);
	await leave(rig, before);
	const publisher = await rig.join("p");
	publisher.publish("t", "m", 0);
	await publisher.settled();
	const after = await rig.join("s", persistent);
	t.strictSame(await messages(after, 1), ["m q0"]);
});

t.test("Clean Start and the end of its time discard a sleeper", async (t) => {
	const rig = await startRig(t, {}, away);
	for (const name of ["a", "b", "c"]) {
		const client = await rig.join(name, persistent);
		await client.subscribe("t", 1);
		await leave(rig, client);
	}
	const fresh = await rig.join("a", { clean: true });
	t.equal(rig.api.status.subscriptions, 2);
	await leave(rig, fresh);
	await rig.clock.advanceAsync(1_040_000);
	t.match(rig.api.status, { sessions: 0, subscriptions: 0 });
	for (const budget of rig.broker.budgets.ofClients)
		t.equal(budget.used, 0, budget.name);
});

t.test("all sessions can be seen without waking any", async (t) => {
	const rig = await startRig(t, {}, away);
	const asleep = await rig.join("asleep", { ...persistent, username: "u" });
	await asleep.subscribe("t", 1);
	await leave(rig, asleep);
	const there = await rig.join("there");
	there.publish("t", "four", 1);
	await there.settled();
	const seen = [...rig.broker.registry.all()].map((session) => ({
		clientId: session.clientId,
		username: session.username,
		isConnected: session.outlet !== null,
		queued: session.queuedMessages,
		bytes: session.queuedBytes,
		subscriptions: session.subscriptions.size,
		isAway: session.disconnectedAtMs > 0,
	}));
	t.strictSame(seen, [
		{
			clientId: "there",
			username: null,
			isConnected: true,
			queued: 0,
			bytes: 0,
			subscriptions: 0,
			isAway: false,
		},
		{
			clientId: "asleep",
			username: "u",
			isConnected: false,
			queued: 1,
			bytes: 5,
			subscriptions: 1,
			isAway: true,
		},
	]);
	t.equal(rig.broker.registry.awake("asleep"), undefined);
});

t.test("sleepers cost less, and what they cost is charged", async (t) => {
	const rig = await startRig(t, {}, away);
	const { sessions, subscriptions } = rig.broker.budgets;
	const client = await rig.join("s", persistent);
	await client.subscribe("a/topic", 1);
	const awake = sessions.used + subscriptions.used;
	await leave(rig, client);
	await (await rig.join("p")).settled();
	const other = sessions.used - 351;
	t.ok(other > 60 && other < 100, `${other} B asleep`);
	t.ok(other + subscriptions.used < awake / 2);
});

t.test(
	"retained messages that a sleeper has not been sent come when it is back [MQTT-3.3.1-9]",
	async (t) => {
		const rig = await startRig(t, {}, away);
		const publisher = await rig.join("p");
		publisher.publish("kept/one", "1", 1, { retain: true });
		await publisher.settled();
		const before = await rig.join("s", persistent);
		before.startSubscribe("kept/#", 1);
		await before.expect("suback");
		await leave(rig, before);
		t.equal(rig.broker.registry.awake("s"), undefined);
		const after = await rig.join("s", persistent);
		t.strictSame(await messages(after, 1), ["1 q1 retain"]);
		await leave(rig, after);
	},
);
