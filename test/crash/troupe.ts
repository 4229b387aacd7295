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
import { type Event, now } from "./events.ts";

const everything: Habits["filters"] = [
	{ filter: "flow/#", qos: 2 },
	{ filter: "will/#", qos: 2 },
];
const here: Habits = { filters: everything, onMs: 0, offMs: 0 };
const flapping: Habits = { filters: everything, onMs: 500, offMs: 1000 };
const once: Habits = { ...here, filters: [{ filter: "flow/#", qos: 1 }] };

const DELAYED_WILL_SECONDS = 3;
const RETRY_MS = 50;
const LOOK_MS = 5000;

export interface TroupeOptions {
	/** How often each publisher publishes, at least, in milliseconds. */
	busyMs: number;
	/** How long the broker has to deliver what is left, and each client to come back, in ms. */
	drainMs: number;
	/** What is left is given up when nothing has happened for so long, in ms. */
	quietMs?: number;
}

export class Troupe {
	readonly #stage: Stage;
	readonly #options: TroupeOptions;
	#lastEventAt = 0;
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

	constructor(stage: Stage, options: TroupeOptions) {
		const { busyMs } = options;
		this.#options = options;
		stage.log.observe(({ at }) => {
			this.#lastEventAt = at;
		});
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

	/** Everybody who has a session in the end knows what the events so far have taught. */
	remember(events: readonly Event[]): void {
		const roles: Role[] = [...this.#everybody, ...this.#testators];
		const clients = new Map(
			roles.map(({ client }) => [client.clientId, client]),
		);
		for (const event of events) clients.get(event.who)?.memory.apply(event);
	}

	/** Who is owed messages, or acknowledgements, to the end. */
	get #everybody(): (Subscriber | Fickle | Publisher)[] {
		return [...this.#receivers, ...this.#publishers];
	}

	get #receivers(): (Subscriber | Fickle)[] {
		return [...this.#subscribers, this.#absent, ...this.#fickle];
	}

	async setUp(): Promise<void> {
		await this.#publishSentinel();
		for (const subscriber of [...this.#subscribers, this.#absent])
			await subscriber.resume();
		await this.#absent.client.disconnect();
	}

	/** @returns when it is on the disk, and all that came before it */
	async #publishSentinel(): Promise<void> {
		this.#sentinel ??= new CrashClient({
			...this.#stage,
			clientId: "sentinel",
			version: 4,
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
			...this.#testators,
		];
		if (!this.#stage.isRelaxed) roles.push(...this.#fickle, ...this.#others);
		await Promise.all(roles.map((role) => role.play()));
	}

	/** A new client reads all retained messages. */
	look(): Promise<void> {
		this.#looks++;
		const { quietMs = LOOK_MS } = this.#options;
		return look(this.#stage, `reader-${this.#looks}`, 4 * quietMs);
	}

	/** After a power cut: as {@link finish}, for what the disk holds. */
	async resume(): Promise<void> {
		await this.look();
		await Promise.all(this.#testators.map((testator) => testator.depart()));
		await this.#deliverAll();
	}

	/** Everybody comes back, waits until there is nothing left to come, and leaves for good. */
	async finish(): Promise<void> {
		await this.resume();
		await this.#publishSentinel();
		this.#stage.log.add("load", { did: "settled" });
	}

	/** After a last kill: nothing may come but what is published now. */
	async epilogue(): Promise<void> {
		await this.look();
		await this.#deliverAll();
	}

	async #deliverAll(): Promise<void> {
		const arrived = new Set<string>();
		const stop = this.#stage.log.observe((event) => {
			if (event.did === "got")
				arrived.add(`${event.who} ${event.topic} ${event.number}`);
		});
		await Promise.all(this.#everybody.map((role) => this.#comeBack(role)));
		const isAcknowledged = () =>
			this.#publishers.every(({ client }) => client.memory.outgoing.size === 0);
		await this.#until(isAcknowledged);
		for (const publisher of this.#publishers) publisher.finish();
		await this.#until(isAcknowledged);
		const last = this.#lastMessages();
		await this.#until(() =>
			this.#receivers.every(({ client: { clientId, memory } }) => {
				const hasArrived = (what: string) =>
					arrived.has(`${clientId} ${what}`) ||
					this.#delivered.has(what) ||
					!memory.filters.has(what.replace(/\/.*/, "/#"));
				return memory.received.size === 0 && last.every(hasArrived);
			}),
		);
		for (const will of last) this.#delivered.add(will);
		stop();
		for (const { client } of this.#everybody) await client.disconnect();
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
		const deadline = performance.now() + this.#options.drainMs;
		while (this.#stage.isUp && !(await role.resume())) {
			if (performance.now() > deadline) return;
			await pause(RETRY_MS);
		}
	}

	/** Gives up after a while: what is missing is for the checker to say. */
	async #until(condition: () => boolean): Promise<void> {
		const { drainMs, quietMs = Number.POSITIVE_INFINITY } = this.#options;
		const startedAt = now();
		while (!condition() && this.#stage.isUp) {
			const at = now();
			if (at > startedAt + drainMs) return;
			if (at > Math.max(startedAt, this.#lastEventAt) + quietMs) return;
			await pause(RETRY_MS);
		}
	}
}
