/**
 * Retained values change while subscribers arrive, read slowly and leave: each of them
 * ends up with the latest value of every topic, and never gets an older one after a
 * newer one.
 */
import fc from "fast-check";
import t from "tap";
import type { TestClient } from "../unit/broker/broker-fixture.ts";
import { PersistentBroker } from "../unit/session/persistent-broker.ts";

const RUNS = Number(process.env.PROPERTY_RUNS ?? 60);
const TOPICS = 4;
const SUBSCRIBERS = 3;

type Operation =
	| { do: "set"; topic: number; isEmpty: boolean; expirySeconds: number }
	| { do: "subscribe"; who: number; window: number }
	| { do: "leave"; who: number }
	| { do: "acknowledge"; who: number; count: number }
	| { do: "commit"; count: number }
	| { do: "wait"; ms: number };

const who = fc.integer({ min: 0, max: SUBSCRIBERS - 1 });
const count = fc.integer({ min: 1, max: 4 });

function operation(withExpiry: boolean): fc.Arbitrary<Operation> {
	return fc.oneof(
		{
			weight: 8,
			arbitrary: fc.record({
				do: fc.constant("set" as const),
				topic: fc.integer({ min: 0, max: TOPICS - 1 }),
				isEmpty: fc.constantFrom(false, false, false, true),
				expirySeconds: withExpiry ? fc.constantFrom(0, 2, 5) : fc.constant(0),
			}),
		},
		{
			weight: 3,
			arbitrary: fc.record({
				do: fc.constant("subscribe" as const),
				who,
				window: fc.integer({ min: 1, max: 3 }),
			}),
		},
		{
			weight: 1,
			arbitrary: fc.record({ do: fc.constant("leave" as const), who }),
		},
		{
			weight: 6,
			arbitrary: fc.record({
				do: fc.constant("acknowledge" as const),
				who,
				count,
			}),
		},
		{
			weight: 6,
			arbitrary: fc.record({ do: fc.constant("commit" as const), count }),
		},
		{
			weight: withExpiry ? 2 : 0,
			arbitrary: fc.record({
				do: fc.constant("wait" as const),
				ms: fc.integer({ min: 500, max: 4000 }),
			}),
		},
	);
}

interface Value {
	/** Rises with every change of any topic; 0 before the first. */
	readonly version: number;
	readonly isEmpty: boolean;
	/** On the fake clock; Infinity for never. */
	readonly expiresAtMs: number;
}

class Reader {
	readonly client: TestClient;
	/** The last version of each topic that arrived. */
	readonly last = new Map<string, number>();
	readonly #unacknowledged: { cmd: "puback" | "pubrec"; id: number }[] = [];

	constructor(client: TestClient) {
		this.client = client;
	}

	get isIdle(): boolean {
		return this.#unacknowledged.length === 0;
	}

	acknowledge(count: number): void {
		for (const { cmd, id } of this.#unacknowledged.splice(0, count))
			this.client.acknowledge(cmd, id);
	}

	/** @param isPast tells which versions have expired */
	async handle(isPast: (version: number) => boolean): Promise<boolean> {
		if (this.client.pending.length === 0) return false;
		while (this.client.pending.length > 0) {
			const arrival = await this.client.next();
			if (typeof arrival === "string" || arrival.packet === null)
				throw new Error("the connection has ended");
			const { packet } = arrival;
			const id = packet.messageId ?? 0;
			if (packet.cmd === "pubrel") this.client.acknowledge("pubcomp", id);
			if (packet.cmd !== "publish") continue;
			const { topic } = packet;
			const version =
				packet.properties?.userProperties === undefined
					? 0
					: Number(packet.properties.userProperties.version);
			if (version < (this.last.get(topic) ?? 0))
				throw new Error(`${topic}: ${version} after ${this.last.get(topic)}`);
			if (isPast(version)) throw new Error(`${version} has expired`);
			this.last.set(topic, version);
			if (packet.qos === 1) this.#unacknowledged.push({ cmd: "puback", id });
			if (packet.qos === 2) this.#unacknowledged.push({ cmd: "pubrec", id });
		}
		return true;
	}
}

class Scene {
	readonly #broker = new PersistentBroker();
	readonly #qos: 0 | 1 | 2;
	readonly #readers = new Map<number, Reader>();
	readonly #values = new Map<string, Value>();
	readonly #all = new Map<number, Value>();
	#publisher: TestClient | null = null;
	#version = 0;

	constructor(qos: 0 | 1 | 2) {
		this.#qos = qos;
	}

	async run(operations: readonly Operation[]): Promise<void> {
		await this.#broker.start();
		this.#publisher = await this.#broker.connect("publisher", 0, 65_535, true);
		for (const op of operations) {
			await this.#do(op);
			await this.#handle();
		}
		for (let quiet = 0; quiet < 3; ) {
			const worked = [await this.#broker.step(), await this.#handle()];
			for (const reader of this.#readers.values()) reader.acknowledge(9);
			quiet = worked.includes(true) ? 0 : quiet + 1;
		}
		this.#check();
		this.#publisher.destroy();
		for (const { client } of this.#readers.values()) client.destroy();
		while (await this.#broker.step());
		const leftovers = this.#broker.leftovers();
		await this.#broker.stop();
		if (leftovers.length > 0) throw new Error(`left: ${leftovers.join(", ")}`);
	}

	async #do(op: Operation): Promise<void> {
		if (op.do === "set") this.#set(op.topic, op.isEmpty, op.expirySeconds);
		else if (op.do === "commit") await this.#broker.step(op.count);
		else if (op.do === "wait") {
			await this.#settle();
			await this.#broker.clock.advanceAsync(op.ms);
		} else if (op.do === "acknowledge")
			this.#readers.get(op.who)?.acknowledge(op.count);
		else if (op.do === "leave") {
			this.#readers.get(op.who)?.client.destroy();
			this.#readers.delete(op.who);
		} else if (!this.#readers.has(op.who)) {
			const client = await this.#broker.connect(
				`reader-${op.who}`,
				0,
				op.window,
				true,
			);
			client.startSubscribe("r/#", this.#qos);
			this.#readers.set(op.who, new Reader(client));
		}
	}

	/** What has been sent has arrived and been looked at: time may pass. */
	async #settle(): Promise<void> {
		do {
			await this.#publisher?.settle();
			for (const { client } of this.#readers.values()) await client.settle();
		} while (await this.#handle());
	}

	#set(topic: number, isEmpty: boolean, expirySeconds: number): void {
		const version = ++this.#version;
		const properties = {
			userProperties: { version: `${version}` },
			...(expirySeconds > 0 ? { messageExpiryInterval: expirySeconds } : {}),
		};
		this.#publisher?.publish(`r/${topic}`, isEmpty ? "" : "value", this.#qos, {
			retain: true,
			messageId: version,
			properties,
		});
		const expiresAtMs =
			expirySeconds > 0
				? this.#broker.clock.monotonicMs() + expirySeconds * 1000
				: Infinity;
		const value = { version, isEmpty, expiresAtMs };
		this.#values.set(`r/${topic}`, value);
		this.#all.set(version, value);
	}

	async #handle(): Promise<boolean> {
		let worked = false;
		const publisher = this.#publisher;
		while (publisher !== null && publisher.pending.length > 0) {
			worked = true;
			const arrival = await publisher.next();
			if (typeof arrival === "string") throw new Error("publisher closed");
			const { packet } = arrival;
			if (packet?.cmd === "pubrec")
				publisher.acknowledge("pubrel", packet.messageId ?? 0);
		}
		const isPast = (version: number) => this.#isPast(this.#all.get(version));
		for (const reader of this.#readers.values())
			worked = (await reader.handle(isPast)) || worked;
		return worked;
	}

	#isPast(value: Value | undefined): boolean {
		if (value === undefined) return false;
		return value.expiresAtMs <= this.#broker.clock.monotonicMs();
	}

	#check(): void {
		for (const [topic, value] of this.#values) {
			if (this.#isPast(value)) continue;
			for (const [name, { last }] of this.#readers) {
				const version = last.get(topic) ?? 0;
				const before = this.#all.get(version);
				const isNothing = version === 0 || before?.isEmpty === true;
				if (value.isEmpty && isNothing) continue;
				if (version !== value.version)
					throw new Error(
						`reader ${name} has ${version} of ${topic}, not ${value.version}`,
					);
			}
		}
	}
}

for (const qos of [0, 1, 2] as const)
	for (const withExpiry of [false, true])
		t.test(
			`retained, QoS ${qos}: every subscriber ends up with the latest values${withExpiry ? ", expired ones never come" : ""} [MQTT-3.3.1-5] [MQTT-3.3.1-9]${withExpiry ? " [MQTT-3.3.2-5]" : ""}`,
			{ timeout: 120_000 },
			async () => {
				await fc.assert(
					fc.asyncProperty(
						fc.array(operation(withExpiry), {
							minLength: 5,
							maxLength: 80,
							size: "max",
						}),
						(operations) => new Scene(qos).run(operations),
					),
					{ numRuns: RUNS },
				);
			},
		);
