/** What the broker does when what is charged nears the budget. */
import t, { type Test } from "tap";
import { PublisherPace } from "../../../src/broker/publisher-pace.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { persistent, type Rig, startRig } from "./broker-fixture.ts";

const BUDGET = 1_000_000;

/** A broker of which the test says how much of its budget is charged. */
async function startShort(
	t: Test,
	overrides: Record<string, string | number> = {},
): Promise<Rig & { charge(share: number): void }> {
	const rig = await startRig(t, overrides);
	const { overload, budgets } = rig.broker;
	overload.watch(2 * BUDGET, BUDGET);
	let charged = 0;
	const charge = (share: number) => {
		budgets.wills.release(charged);
		charged = share * BUDGET - budgets.memory.used;
		budgets.wills.charge(charged);
		overload.look();
	};
	return { ...rig, charge };
}

function memoryLines(rig: Rig): string[] {
	return rig.log.filter((line) => /memory (gets|is)/.test(line));
}

t.test("stages follow what is charged, and do not flap", async (t) => {
	const rig = await startShort(t);
	const stage = () => rig.api.status.memory.stage;
	t.equal(stage(), "normal");
	for (const [share, expected] of [
		[0.69, "normal"],
		[0.71, "spill"],
		[0.81, "slow"],
		[0.95, "refuse"],
		[0.86, "refuse"],
		[0.84, "slow"],
		[0.79, "slow"],
		[0.72, "spill"],
		[0.66, "spill"],
		[0.64, "normal"],
		[0.95, "refuse"],
		[0.1, "normal"],
	] as const) {
		rig.clock.advance(1500);
		rig.charge(share);
		t.equal(stage(), expected, String(share));
	}
	rig.charge(0.75);
	rig.charge(0.1);
	t.equal(stage(), "spill", "not within its first second");
	rig.clock.advance(2000);
	t.equal(stage(), "normal", "the timer looks too");
});

t.test(
	"a change is one line with the largest holders and the key",
	async (t) => {
		const rig = await startShort(t);
		await rig.join("c");
		rig.charge(0.75);
		rig.charge(0.76);
		const lines = memoryLines(rig);
		t.equal(lines.length, 1);
		t.match(lines[0], / warning .*stage=spill/);
		t.match(lines[0], /largest="wills 0\.7MB, connections 0\.0MB, sessions/);
		t.match(lines[0], /raise=memory_limit/);
		const { memory } = rig.api.status;
		t.equal(memory.budgetBytes, BUDGET);
		t.equal(memory.limitBytes, 2 * BUDGET);
		t.equal(memory.chargedBytes, 0.76 * BUDGET);
		t.ok(memory.residentBytes > BUDGET);
		t.equal(memory.stageChanges, 1);
		t.equal(memory.largest[0]?.name, "wills");
		rig.clock.advance(1500);
		rig.charge(0.1);
		t.match(memoryLines(rig)[1], / info .*stage=normal/);
		rig.clock.advance(10_000);
		t.ok(
			rig.log.some((line) => /error.*more memory than memory_limit/.test(line)),
			"RSS above the limit is an alarm",
		);
	},
);

t.test("V8 saves memory while the RSS is near the limit", async (t) => {
	const rig = await startRig(t);
	const { overload } = rig.broker;
	const isSaving = (limitBytes: number) => {
		overload.watch(limitBytes, BUDGET);
		rig.clock.advance(1100);
		return rig.api.status.memory.isSaving;
	};
	const { residentBytes } = rig.api.status.memory;
	t.notOk(isSaving(residentBytes * 4));
	const resident = rig.api.status.memory.residentBytes;
	t.ok(
		resident < residentBytes,
		"what only the start needed has been returned",
	);
	t.ok(isSaving(resident));
	t.ok(isSaving(resident * 1.42), "not on and off");
	t.notOk(isSaving(resident * 4));
});

t.test(
	"at 70 % heads of queues leave memory and come back in order",
	async (t) => {
		const rig = await startShort(t);
		const reader = await rig.join("reader", {
			...persistent,
			properties: { sessionExpiryInterval: 1000, receiveMaximum: 2 },
		});
		await reader.subscribe("t", 1);
		const publisher = await rig.join("p");
		const publish = async (from: number, to: number) => {
			for (let i = from; i < to; i++) {
				publisher.publish("t", String(i), 1);
				await publisher.expect("puback");
			}
		};
		await publish(0, 30);
		const before = rig.broker.messages.used;
		rig.charge(0.75);
		t.ok(rig.broker.messages.used < before / 5, "the window is left");
		await publish(30, 40);
		rig.clock.advance(1500);
		const payloads: string[] = [];
		while (payloads.length < 40) {
			if (payloads.length === 20) rig.charge(0.1);
			const message = await reader.expect("publish");
			payloads.push(String(message.payload));
			reader.acknowledge("puback", message.messageId ?? 0);
		}
		t.strictSame(
			payloads,
			Array.from({ length: 40 }, (_, i) => String(i)),
		);
		await reader.settled();
		t.equal(rig.broker.messages.used, 0);
	},
);

t.test("at 80 % who publishes the most waits, and nobody else", async (t) => {
	const clock = new FakeClock();
	const pace = new PublisherPace(clock);
	const [heavy, light] = [{}, {}];
	let waits = 0;
	for (let period = 0; period < 20; period++) {
		for (let i = 0; i < 100; i++) {
			if (pace.take(heavy, 1000) > 0) waits++;
		}
		t.equal(pace.take(light, 1000), 0);
		clock.advance(250);
	}
	t.ok(waits > 1000, `${waits} times`);
	const rig = await startShort(t);
	const publisher = await rig.join("p");
	rig.charge(0.85);
	for (let i = 0; i < 20; i++) publisher.publish("t", "x".repeat(10_000));
	publisher.publish("last", "x", 1);
	for (let i = 0; i < 100 && rig.broker.statistics.publishersSlowed === 0; i++)
		await new Promise(setImmediate);
	t.ok(rig.broker.statistics.publishersSlowed > 0);
	rig.charge(0.1);
	rig.clock.advance(1500);
	rig.broker.overload.look();
	await publisher.expect("puback");
});

t.test("at 90 % new sessions are refused, known ones are not", async (t) => {
	const rig = await startShort(t);
	const known = await rig.join("known", persistent);
	known.destroy();
	rig.charge(0.95);
	for (const [version, code] of [
		[5, 0x97],
		[4, 3],
	] as const) {
		const stranger = rig.client(version);
		stranger.startConnect("stranger");
		const connack = await stranger.expect("connack");
		t.equal(version === 5 ? connack.reasonCode : connack.returnCode, code);
	}
	t.ok(rig.log.some((line) => line.includes("(memory_limit)")));
	await rig.join("known", persistent);
	rig.clock.advance(1500);
	rig.charge(0.1);
	await rig.join("stranger");
});

t.test("at 90 % the largest half-received packet goes", async (t) => {
	const rig = await startShort(t, { max_packet_size: "10MB" });
	const small = await rig.join("small");
	const large = await rig.join("large");
	for (const [client, bytes] of [
		[small, 1000],
		[large, 400_000],
	] as const) {
		client.stream.write(Buffer.from([0x30, 0xff, 0xff, 0x7f]));
		client.stream.write(Buffer.alloc(bytes));
	}
	for (let i = 0; i < 100 && rig.broker.budgets.partialFrames.used < 4e5; i++)
		await new Promise(setImmediate);
	rig.charge(0.95);
	t.equal((await large.expect("disconnect")).reasonCode, 0x97);
	t.equal(rig.api.status.connections, 1);
});

t.test("everything charged for clients is released with them", async (t) => {
	const rig = await startRig(t);
	const { budgets } = rig.broker;
	const client = await rig.join("c", {
		properties: { sessionExpiryInterval: 0 },
		will: {
			topic: "w",
			payload: Buffer.from("gone"),
			qos: 0,
			retain: false,
		},
	});
	await client.subscribe("a/+/c");
	client.publish("aliased", "x", 2, { properties: { topicAlias: 1 } });
	await client.settled();
	for (const budget of [
		budgets.connections,
		budgets.sessions,
		budgets.wills,
		budgets.subscriptions,
	]) {
		t.ok(budget.used > 0, budget.name);
	}
	client.destroy();
	while (rig.api.status.sessions > 0) await new Promise(setImmediate);
	for (const { name, used } of budgets.ofClients) t.equal(used, 0, name);
});

t.test(
	"what waits for a clean session never fills more than the budget",
	async (t) => {
		const rig = await startShort(t);
		const windowOfOne = { properties: { receiveMaximum: 1 } };
		const clean = await rig.join("clean", { clean: true, ...windowOfOne });
		await clean.subscribe("t", 1);
		const kept = await rig.join("kept", {
			...persistent,
			properties: { ...persistent.properties, receiveMaximum: 1 },
		});
		await kept.subscribe("t", 1);
		const publisher = await rig.join("p");
		const publish = async (payload: string) => {
			publisher.publish("t", payload, 1);
			await publisher.expect("puback");
		};
		await publish("sent");
		await publish("waits");
		rig.charge(1.01);
		await publish("too much");
		t.equal(rig.api.status.counters.droppedQueueFull, 1);
		t.ok(
			rig.log.some((line) =>
				/queue full.*client=clean.*raise=memory_limit/.test(line),
			),
		);
		const queued = (id: string) => rig.broker.registry.get(id)?.queuedMessages;
		t.equal(queued("clean"), 2);
		t.equal(queued("kept"), 3, "a persistent one has it on disk");
		rig.charge(0.1);
		await publish("room again");
		t.equal(queued("clean"), 3);
	},
);
