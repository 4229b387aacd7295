/**
 * Members of a shared subscription come and go, with clean and with persistent
 * sessions; one persistent member stays, connected or not. No QoS 1 message is lost,
 * no QoS 2 message is given twice.
 */
import fc from "fast-check";
import t from "tap";
import {
	ModelPublisher,
	ModelSubscriber,
} from "../unit/session/model-clients.ts";
import { PersistentBroker } from "../unit/session/persistent-broker.ts";

const RUNS = Number(process.env.PROPERTY_RUNS ?? 60);

type Operation =
	| { do: "publish"; qos: 1 | 2 }
	| { do: "acknowledge"; member: number; isRefusal: boolean }
	| { do: "commit"; count: number }
	| { do: "drop"; member: number }
	| { do: "leave"; member: number }
	| { do: "connect"; member: number; window: number };

/** The first one stays; of the others two are clean and one is persistent. */
const MEMBERS = 4;
const member = fc.integer({ min: 0, max: MEMBERS - 1 });

function operation(withLeaving: boolean): fc.Arbitrary<Operation> {
	return fc.oneof(
		{
			weight: 8,
			arbitrary: fc.record({
				do: fc.constant("publish" as const),
				qos: fc.constantFrom<1 | 2>(1, 2),
			}),
		},
		{
			weight: 8,
			arbitrary: fc.record({
				do: fc.constant("acknowledge" as const),
				member,
				isRefusal: fc.constantFrom(false, false, false, true),
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
			weight: 3,
			arbitrary: fc.record({ do: fc.constant("drop" as const), member }),
		},
		{
			weight: withLeaving ? 2 : 0,
			arbitrary: fc.record({ do: fc.constant("leave" as const), member }),
		},
		{
			weight: 5,
			arbitrary: fc.record({
				do: fc.constant("connect" as const),
				member,
				window: fc.integer({ min: 1, max: 4 }),
			}),
		},
	);
}

class Scene {
	readonly broker: PersistentBroker;
	readonly publisher: ModelPublisher;
	readonly members: ModelSubscriber[] = [];

	constructor(policy: string) {
		this.broker = new PersistentBroker({ shared_subscription_policy: policy });
		this.publisher = new ModelPublisher(this.broker, "publisher");
		for (let i = 0; i < MEMBERS; i++) {
			const expirySeconds = i === 0 || i === 3 ? 1000 : 0;
			this.members.push(
				new ModelSubscriber(
					this.broker,
					`member-${i}`,
					"$share/g/t",
					expirySeconds,
				),
			);
		}
	}

	member(index: number): ModelSubscriber {
		const found = this.members[index];
		if (found === undefined) throw new Error(`no member ${index}`);
		return found;
	}

	async handle(): Promise<boolean> {
		let worked = await this.publisher.handle();
		for (const each of this.members) worked = (await each.handle()) || worked;
		return worked;
	}

	async run(operations: readonly Operation[]): Promise<void> {
		const { broker, publisher } = this;
		await broker.start();
		await this.member(0).connect(2);
		while ((await broker.step()) || (await this.handle()));
		await publisher.connect();
		for (const op of operations) {
			await this.#do(op);
			await this.handle();
		}
		await this.#finish();
		this.#check();
		await this.publisher.leave();
		for (const each of this.members) if (each.isOnline) await each.leave();
		await this.#endOthers();
		while (await broker.step());
		const leftovers = broker.leftovers();
		await broker.stop();
		if (leftovers.length > 0) throw new Error(`left: ${leftovers.join(", ")}`);
	}

	async #do(op: Operation): Promise<void> {
		if (op.do === "publish") this.publisher.publish("t", op.qos);
		else if (op.do === "commit") await this.broker.step(op.count);
		else {
			const each = this.member(op.member);
			if (op.do === "acknowledge") each.acknowledge(0, op.isRefusal);
			else if (op.do === "drop") each.drop();
			else if (op.do === "connect") await each.connect(op.window);
			else if (op.member !== 0 && this.#exists(each)) await each.leave();
		}
	}

	/** All sessions there are come back and acknowledge everything. */
	async #finish(): Promise<void> {
		for (const each of this.members)
			if (this.#exists(each)) await each.connect(9);
		for (let quiet = 0; quiet < 3; ) {
			const worked = [await this.broker.step(), await this.handle()];
			for (const each of this.members) if (!each.isIdle) each.acknowledge(0);
			quiet = worked.includes(true) ? 0 : quiet + 1;
		}
	}

	async #endOthers(): Promise<void> {
		for (const each of this.members) if (this.#exists(each)) await each.leave();
	}

	#exists({ clientId }: ModelSubscriber): boolean {
		return this.broker.broker.registry.get(clientId) !== undefined;
	}

	#check(): void {
		for (const { payload, qos } of this.publisher.all) {
			const times = this.members.map(
				(each) =>
					(qos === 1 ? each.receivedQoS1 : each.receivedQoS2).filter(
						(received) => received === payload,
					).length,
			);
			const count = times.reduce((sum, each) => sum + each, 0);
			if (qos === 1 && count === 0)
				throw new Error(`QoS 1 message ${payload} is lost`);
			if (qos === 2 && count > 1)
				throw new Error(`QoS 2 message ${payload} was given ${times}`); // [MQTT-4.8.2-5]
		}
	}
}

for (const [words, withLeaving] of [
	["connections break", false],
	["sessions end", true],
] as const)
	t.test(
		`shared: while ${words}, QoS 1 reaches some member and QoS 2 one at most [MQTT-4.8.2-4] [MQTT-4.8.2-5]`,
		{ timeout: 120_000 },
		async () => {
			await fc.assert(
				fc.asyncProperty(
					fc.constantFrom("random", "round_robin", "least_inflight", "sticky"),
					fc.array(operation(withLeaving), {
						minLength: 5,
						maxLength: 80,
						size: "max",
					}),
					(policy, operations) => new Scene(policy).run(operations),
				),
				{ numRuns: RUNS },
			);
		},
	);
