/**
 * The clients of a crash test together: all are set up before the first message, play while
 * the broker is killed, and in the end have what they are owed.
 */
import { setTimeout as pause } from "node:timers/promises";
import {
	Brief,
	Cleaner,
	Fickle,
	type Habits,
	LAST_KEPT,
	look,
	Publisher,
	type Role,
	type Stage,
	Subscriber,
	Testator,
} from "./cast.ts";
import { CrashClient } from "./crash-client.ts";

const everything: Habits["filters"] = [
	{ filter: "flow/#", qos: 2 },
	{ filter: "will/#", qos: 2 },
];
const here: Habits = { filters: everything, onMs: 0, offMs: 0 };
const flapping: Habits = { filters: everything, onMs: 500, offMs: 1000 };
const once: Habits = { ...here, filters: [{ filter: "flow/#", qos: 1 }] };

const DELAYED_WILL_SECONDS = 3;
const RETRY_MS = 50;

export class Troupe {
	readonly #stage: Stage;
	readonly #drainMs: number;
	readonly #publishers: readonly Publisher[];
	readonly #subscribers: readonly Subscriber[];
	/** Away from the set-up to the end: all it gets comes from the disk. */
	readonly #absent: Subscriber;
	readonly #fickle: readonly Fickle[];
	readonly #others: readonly Role[];
	readonly #testators: readonly Testator[];
	#sentinel: CrashClient | null = null;
	#looks = 0;
	/** Last messages that everybody has had. */
	readonly #delivered = new Set<string>();

	/**
	 * @param busyMs how often each publisher publishes, at least, in milliseconds
	 * @param drainMs how long the broker has to deliver what is left, and each client to
	 * come back, in milliseconds
	 */
	constructor(stage: Stage, busyMs: number, drainMs: number) {
		this.#drainMs = drainMs;
		this.#stage = stage;
		this.#publishers = [
			new Publisher(stage, "old-a", 4, busyMs),
			new Publisher(stage, "old-b", 4, busyMs),
			new Publisher(stage, "five-a", 5, busyMs),
		];
		this.#subscribers = [
			new Subscriber(stage, "here-4", 4, here),
			new Subscriber(stage, "here-5", 5, here),
			new Subscriber(stage, "once-5", 5, once),
			new Subscriber(stage, "flap-4", 4, flapping),
			new Subscriber(stage, "flap-5", 5, flapping),
		];
		this.#absent = new Subscriber(stage, "absent", 5, here);
		this.#testators = [
			new Testator(stage, "testator", 4, 0),
			new Testator(stage, "five-testator", 5, 0),
			new Testator(stage, "five-heir", 5, DELAYED_WILL_SECONDS),
		];
		this.#fickle = [
			new Fickle(stage, "fickle-4", 4),
			new Fickle(stage, "fickle-5", 5),
		];
		this.#others = [
			new Cleaner(stage, "cleaner-4", 4),
			new Cleaner(stage, "cleaner-5", 5),
			new Brief(stage, "brief", 5),
		];
	}

	/** Every client whose session has to be there to the end. */
	get clients(): CrashClient[] {
		return [
			...this.#publishers,
			...this.#subscribers,
			this.#absent,
			...this.#testators,
		].map(({ client }) => client);
	}

	async setUp(): Promise<void> {
		await this.#publishSentinel();
		for (const subscriber of [...this.#subscribers, this.#absent])
			await subscriber.resume();
		await this.#absent.client.disconnect();
	}

	/** @returns when it is on the disk, and all that came before it */
	async #publishSentinel(): Promise<void> {
		const { port, random, log } = this.#stage;
		this.#sentinel ??= new CrashClient({
			port,
			clientId: "sentinel",
			version: 4,
			random,
			log,
		});
		const sentinel = this.#sentinel;
		await sentinel.connect();
		sentinel.publish(LAST_KEPT, 1, true);
		await this.#until(() => sentinel.memory.outgoing.size === 0);
		await sentinel.disconnect();
	}

	/** Until the stage is over. */
	async play(): Promise<void> {
		const roles: Role[] = [
			...this.#publishers,
			...this.#subscribers,
			...this.#fickle,
			...this.#others,
			...this.#testators,
		];
		await Promise.all(roles.map((role) => role.play()));
	}

	/** A new client reads all retained messages. */
	look(): Promise<void> {
		this.#looks++;
		return look(this.#stage, `reader-${this.#looks}`);
	}

	/** Everybody comes back, waits until there is nothing left to come, and leaves for good. */
	async finish(): Promise<void> {
		await this.look();
		await Promise.all(this.#testators.map((testator) => testator.depart()));
		await this.#deliverAll();
		await this.#publishSentinel();
		this.#stage.log.add("load", { did: "settled" });
	}

	/** After a last kill: nothing may come but what is published now. */
	async epilogue(): Promise<void> {
		await this.look();
		await this.#deliverAll();
	}

	async #deliverAll(): Promise<void> {
		const subscribers = [...this.#subscribers, this.#absent, ...this.#fickle];
		const everybody = [...subscribers, ...this.#publishers];
		const arrived = new Set<string>();
		const stop = this.#stage.log.observe((event) => {
			if (event.did === "got")
				arrived.add(`${event.who} ${event.topic} ${event.number}`);
		});
		await Promise.all(everybody.map((role) => this.#comeBack(role)));
		const isAcknowledged = () =>
			this.#publishers.every(({ client }) => client.memory.outgoing.size === 0);
		await this.#until(isAcknowledged);
		for (const publisher of this.#publishers) publisher.finish();
		await this.#until(isAcknowledged);
		const last = this.#lastMessages();
		await this.#until(() =>
			subscribers.every(({ client: { clientId, memory } }) => {
				const hasArrived = (what: string) =>
					arrived.has(`${clientId} ${what}`) ||
					this.#delivered.has(what) ||
					!memory.filters.has(what.replace(/\/.*/, "/#"));
				return memory.received.size === 0 && last.every(hasArrived);
			}),
		);
		for (const will of last) this.#delivered.add(will);
		stop();
		for (const { client } of everybody) await client.disconnect();
	}

	/** The last message of each stream, and the last will of each testator: topic and number. */
	#lastMessages(): string[] {
		const streams = this.#publishers.flatMap(({ client, streams }) =>
			streams.map(({ topic }) => `${topic} ${client.memory.sent.get(topic)}`),
		);
		const wills = this.#testators.map(
			({ client }) => `will/${client.clientId} ${client.memory.lastWill}`,
		);
		return [...streams, ...wills.filter((will) => !will.endsWith(" 0"))];
	}

	async #comeBack(role: Role): Promise<void> {
		const deadline = performance.now() + this.#drainMs;
		while (!(await role.resume()) && performance.now() < deadline)
			await pause(RETRY_MS);
	}

	/** Gives up after a while: what is missing is for the checker to say. */
	async #until(condition: () => boolean): Promise<void> {
		const deadline = performance.now() + this.#drainMs;
		while (!condition() && performance.now() < deadline) await pause(RETRY_MS);
	}
}
