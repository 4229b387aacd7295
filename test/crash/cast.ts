/**
 * Who takes part in a crash test and what each does, at random, until it is told to stop.
 * All of them keep their sessions; what has to arrive where follows from their events.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { Random } from "../soak/random.ts";
import { CrashClient } from "./crash-client.ts";
import type { EventLog } from "./events.ts";

export interface Stage {
	port: number;
	random: Random;
	log: EventLog;
	/** The broker can be reached, as far as anybody knows. */
	isUp: boolean;
	isOver: boolean;
	/**
	 * A power cut may take the newest acknowledgements: nobody does what has no message that
	 * could be counted, and packet ids are not soon used again.
	 */
	isRelaxed: boolean;
}

/** Sentinel of a reader: the last topic in the order in which retained messages come. */
export const LAST_KEPT = "kept/~";
const RETRY_MS = 20;

export abstract class Role {
	readonly client: CrashClient;
	protected readonly stage: Stage;

	constructor(stage: Stage, clientId: string, version: 4 | 5) {
		this.stage = stage;
		this.client = new CrashClient({ ...stage, clientId, version });
	}

	/** Until the end of the stage: `live` again and again, while there is a broker. */
	async play(): Promise<void> {
		while (!this.stage.isOver) {
			if (this.stage.isUp) await this.live();
			if (!this.stage.isUp || !this.client.isConnected) await pause(RETRY_MS);
		}
	}

	/** Goes on with the session for what is left of it when all is over. */
	async resume(): Promise<boolean> {
		return this.client.isConnected || (await this.client.connect());
	}

	protected abstract live(): Promise<void>;

	protected pause(mostMs: number): Promise<void> {
		return pause(this.stage.random.below(mostMs));
	}
}

/** Numbered messages to streams and retained topics, as the window allows. */
export class Publisher extends Role {
	readonly streams: readonly { topic: string; qos: 1 | 2 }[];
	readonly #kept: readonly { topic: string; qos: 1 | 2 }[];
	readonly #busyMs: number;

	/** @param busyMs it publishes a few messages at least so often, in milliseconds */
	constructor(stage: Stage, name: string, version: 4 | 5, busyMs: number) {
		super(stage, name, version);
		this.#busyMs = busyMs;
		this.streams = [
			{ topic: `flow/${name}/1`, qos: 1 },
			{ topic: `flow/${name}/2`, qos: 2 },
		];
		this.#kept = [
			{ topic: `kept/${name}/plain`, qos: 1 },
			{ topic: `kept/${name}/twice`, qos: 2 },
			{ topic: `kept/${name}/cleared`, qos: 1 },
			{ topic: `kept/${name}/brief`, qos: 1 },
		];
	}

	/** The last message of each stream: who has it has all of it. */
	finish(): void {
		for (const { topic, qos } of this.streams) this.client.publish(topic, qos);
	}

	protected async live(): Promise<void> {
		const { client, stage } = this;
		const { random } = stage;
		if (!client.isConnected) {
			await client.connect();
			return;
		}
		if (random.chance(0.003)) {
			client.destroy();
			return;
		}
		for (let left = random.below(4); left > 0 && client.hasWindow; left--) {
			const isKept = random.chance(0.25);
			const { topic, qos } = random.pick(isKept ? this.#kept : this.streams);
			client.publish(topic, qos, isKept);
		}
		await this.pause(this.#busyMs);
	}
}

export interface Habits {
	filters: readonly { filter: string; qos: 1 | 2 }[];
	/** How long it stays and stays away at most, in ms; 0 for always there. */
	onMs: number;
	offMs: number;
}

/** Subscribes once and holds its session, there or not. */
export class Subscriber extends Role {
	readonly #habits: Habits;

	constructor(stage: Stage, name: string, version: 4 | 5, habits: Habits) {
		super(stage, name, version);
		this.#habits = habits;
	}

	/** Connects, and subscribes to what it has no SUBACK for. */
	override async resume(): Promise<boolean> {
		if (!(await super.resume())) return false;
		for (const { filter, qos } of this.#habits.filters)
			if (!this.client.memory.filters.has(filter))
				if (!(await this.client.subscribe(filter, qos))) return false;
		return true;
	}

	protected async live(): Promise<void> {
		const { onMs, offMs } = this.#habits;
		if (!(await this.resume()) || onMs === 0) {
			await this.pause(RETRY_MS);
			return;
		}
		await this.pause(onMs);
		await leave(this.client, this.stage.random);
		await this.pause(offMs);
	}
}

/** Subscribes and unsubscribes, on and off. */
export class Fickle extends Role {
	protected async live(): Promise<void> {
		const { client, stage } = this;
		const filter = "flow/#";
		if (!(await this.resume())) return;
		if (client.memory.filters.has(filter)) await client.unsubscribe(filter);
		else await client.subscribe(filter, 2);
		await this.pause(300);
		if (stage.random.chance(0.3)) await leave(client, stage.random);
		await this.pause(300);
	}
}

/** Fills a session and discards it: with a clean start, for good or for a new one. */
export class Cleaner extends Role {
	protected async live(): Promise<void> {
		const { client, stage } = this;
		if (!(await client.connect())) return;
		if (!(await client.subscribe("flow/#", 2))) return;
		await this.pause(200);
		await leave(client, stage.random);
		await this.pause(200);
		const expirySeconds = stage.random.chance(0.5) ? 0 : 3600;
		await client.connect({ clean: true, expirySeconds });
		await this.pause(300);
		await leave(client, stage.random);
	}
}

/** Leaves a will each time; what becomes of it depends on how it goes and when it returns. */
export class Testator extends Role {
	readonly #delaySeconds: number;

	constructor(
		stage: Stage,
		name: string,
		version: 4 | 5,
		delaySeconds: number,
	) {
		super(stage, name, version);
		this.#delaySeconds = delaySeconds;
	}

	/** Comes once more and breaks off: its last will has to arrive. */
	async depart(): Promise<void> {
		await this.client.connect({ willDelaySeconds: this.#delaySeconds });
		this.client.destroy();
	}

	protected async live(): Promise<void> {
		const { client, stage } = this;
		const willDelaySeconds = this.#delaySeconds;
		if (!(await client.connect({ willDelaySeconds }))) return;
		await this.pause(1500);
		if (stage.random.chance(0.5)) await leave(client, stage.random);
		await this.pause(2000 * willDelaySeconds + 100);
	}
}

/** Its session lasts a moment. */
export class Brief extends Role {
	protected async live(): Promise<void> {
		const { client, stage } = this;
		if (!(await client.connect({ expirySeconds: BRIEF_SESSION_SECONDS })))
			return;
		await this.pause(500);
		await leave(client, stage.random);
		await this.pause(3000 * BRIEF_SESSION_SECONDS);
	}
}

const BRIEF_SESSION_SECONDS = 2;

/**
 * Looks at all retained messages once; the sentinel has been published before.
 * @param mostMs how long that may take
 */
export async function look(
	stage: Stage,
	name: string,
	mostMs: number,
): Promise<void> {
	const { log } = stage;
	const { promise: seen, resolve: isDone } = Promise.withResolvers<void>();
	const stop = log.observe((event) => {
		if (event.who !== name) return;
		if (event.did === "got" && event.topic === LAST_KEPT) isDone();
		if (event.did === "gone") isDone();
	});
	const client = new CrashClient({ ...stage, clientId: name, version: 5 });
	if (!(await client.connect({ clean: true, expirySeconds: 0 }))) return;
	await client.subscribe("kept/#", 1);
	await Promise.race([seen, pause(mostMs, undefined, { ref: false })]);
	if (client.isConnected) log.add(name, { did: "looked" });
	stop();
	await client.disconnect();
}

/** Half of all departures are impolite. */
async function leave(client: CrashClient, random: Random): Promise<void> {
	if (random.chance(0.5)) client.destroy();
	else await client.disconnect();
}
