/**
 * A persistent subscriber and a persistent publisher, both of which keep to the
 * standard, against a store that commits when it likes, connections that break and a
 * broker that loses power: whatever happens, what was acknowledged arrives.
 */
import fc from "fast-check";
import t from "tap";
import type { FakeClock } from "../support/fake-clock.ts";
import { HandDiskStore } from "../unit/session/hand-disk-store.ts";
import { HandStore } from "../unit/session/hand-store.ts";
import {
	ModelPublisher,
	ModelSubscriber,
} from "../unit/session/model-clients.ts";
import {
	type Hand,
	PersistentBroker,
} from "../unit/session/persistent-broker.ts";

const RUNS = Number(process.env.PROPERTY_RUNS ?? 60);

type Operation =
	| { do: "publish"; topic: number; qos: 1 | 2 }
	| { do: "acknowledge"; index: number; isRefusal: boolean }
	| { do: "commit"; count: number }
	| { do: "drop"; who: "publisher" | "subscriber" }
	| { do: "connect"; who: "publisher" | "subscriber"; window: number }
	| { do: "crash" }
	| { do: "restart" };

const qos = fc.constantFrom<1 | 2>(1, 2);
const who = fc.constantFrom<"publisher" | "subscriber">(
	"publisher",
	"subscriber",
);

function operation(withRefusals: boolean): fc.Arbitrary<Operation> {
	return fc.oneof(
		{
			weight: 8,
			arbitrary: fc.record({
				do: fc.constant("publish" as const),
				topic: fc.integer({ min: 0, max: 1 }),
				qos,
			}),
		},
		{
			weight: 8,
			arbitrary: fc.record({
				do: fc.constant("acknowledge" as const),
				index: fc.constantFrom(0, 0, 0, 1, 3),
				isRefusal: withRefusals
					? fc.constantFrom(false, false, false, true)
					: fc.constant(false),
			}),
		},
		{
			weight: 6,
			arbitrary: fc.record({
				do: fc.constant("commit" as const),
				count: fc.integer({ min: 1, max: 4 }),
			}),
		},
		{
			weight: 2,
			arbitrary: fc.record({ do: fc.constant("drop" as const), who }),
		},
		{
			weight: 3,
			arbitrary: fc.record({
				do: fc.constant("connect" as const),
				who,
				window: fc.integer({ min: 1, max: 5 }),
			}),
		},
		{ weight: 1, arbitrary: fc.constant({ do: "crash" as const }) },
		{ weight: 1, arbitrary: fc.constant({ do: "restart" as const }) },
	);
}

async function run(
	operations: readonly Operation[],
	makeHand: (clock: FakeClock) => Hand,
): Promise<void> {
	const broker = new PersistentBroker({}, makeHand);
	await broker.start();
	const publisher = new ModelPublisher(broker, "publisher");
	const subscriber = new ModelSubscriber(broker, "subscriber", "t/#", 1000);
	await subscriber.connect(3);
	while ((await broker.step()) || (await subscriber.handle()));
	await publisher.connect();
	let window = 3;
	const handle = async () => {
		await publisher.handle();
		await subscriber.handle();
		if (subscriber.mostUnacknowledged > window)
			throw new Error(`more than ${window} unacknowledged`);
	};
	for (const op of operations) {
		if (op.do === "publish") publisher.publish(`t/${op.topic}`, op.qos);
		else if (op.do === "acknowledge")
			subscriber.acknowledge(op.index, op.isRefusal);
		else if (op.do === "commit") await broker.step(op.count);
		else if (op.do === "drop") {
			if (op.who === "publisher") publisher.drop();
			else subscriber.drop();
		} else if (op.do === "connect") {
			if (op.who === "publisher") await publisher.connect();
			else if (!subscriber.isOnline) {
				window = op.window;
				subscriber.mostUnacknowledged = 0;
				await subscriber.connect(window);
			}
		} else {
			if (op.do === "restart") await broker.restart();
			publisher.drop();
			subscriber.drop();
			if (op.do === "crash") await broker.crash();
		}
		await handle();
	}
	await finish(broker, publisher, subscriber);
	check(publisher, subscriber);
	await publisher.leave();
	await subscriber.leave();
	while (await broker.step());
	const leftovers = broker.leftovers();
	await broker.stop();
	if (leftovers.length > 0) throw new Error(`left: ${leftovers.join(", ")}`);
}

/** Everybody connects and acknowledges until nothing happens any more. */
async function finish(
	broker: PersistentBroker,
	publisher: ModelPublisher,
	subscriber: ModelSubscriber,
): Promise<void> {
	await publisher.connect();
	await subscriber.connect(9);
	for (let quiet = 0; quiet < 3; ) {
		const worked = [
			await broker.step(),
			await publisher.handle(),
			await subscriber.handle(),
			subscriber.acknowledge(0),
		];
		quiet = worked.includes(true) ? 0 : quiet + 1;
	}
	if (!publisher.isDone) throw new Error("the publisher waits for ever");
	if (!subscriber.isIdle) throw new Error("the subscriber waits for ever");
}

function check(publisher: ModelPublisher, subscriber: ModelSubscriber): void {
	const { receivedQoS1, receivedQoS2, refused } = subscriber;
	for (const sent of publisher.all) {
		const { payload } = sent;
		if (sent.qos === 1 && !receivedQoS1.includes(payload))
			throw new Error(`QoS 1 message ${payload} is lost`);
		if (sent.qos === 1) continue;
		const times = receivedQoS2.filter((each) => each === payload).length;
		if (times !== 1)
			throw new Error(
				`QoS 2 message ${payload} came ${times} times${refused.has(payload) ? " and was refused" : ""}`,
			);
	}
	for (const topic of new Set(publisher.all.map((sent) => sent.topic))) {
		for (const [qos, received] of [
			[1, receivedQoS1],
			[2, receivedQoS2],
		] as const) {
			const expected = publisher.all
				.filter((sent) => sent.topic === topic && sent.qos === qos)
				.map((sent) => sent.payload);
			const first = [...new Set(received)].filter((payload) =>
				expected.includes(payload),
			);
			if (first.join() !== expected.join())
				throw new Error(`order of ${topic}, QoS ${qos}: ${first}`); // [MQTT-4.6.0-5]
		}
	}
}

const cases = [
	{ withRefusals: false, store: "a model of a store" },
	{ withRefusals: true, store: "a model of a store" },
	{ withRefusals: false, store: "entries that can be cancelled" },
];

for (const { withRefusals, store } of cases)
	t.test(
		`QoS 1 arrives at least once and in order, QoS 2 exactly once, ${withRefusals ? "with refusals" : "whatever breaks"}, with ${store} [MQTT-4.3.2-2] [MQTT-4.3.3-2] [MQTT-4.4.0-1] [MQTT-4.6.0-5]`,
		{ timeout: 120_000 },
		async () => {
			const makeHand = (clock: FakeClock) =>
				store === "a model of a store"
					? new HandStore(clock)
					: new HandDiskStore(clock);
			await fc.assert(
				fc.asyncProperty(
					fc.array(operation(withRefusals), {
						minLength: 5,
						maxLength: 120,
						size: "max",
					}),
					(operations) => run(operations, makeHand),
				),
				{ numRuns: RUNS },
			);
		},
	);
