/**
 * Kills a broker again and again while QoS 1 and 2 traffic flows, starts it again on its
 * data, and accounts for every message: nothing acknowledged may be missing, QoS 2 arrives
 * exactly once, the order of a publisher's messages holds, no session is lost.
 *
 * `KillRun` owns the clients; what a client must remember across connections it keeps
 * itself (test/soak/wire-client.ts). Counts decide when the next kill comes, not time.
 */
import { type Qos, type Version, WireClient } from "../soak/wire-client.ts";
import type { SpawnedBroker } from "../support/spawn-broker.ts";
import { until } from "./waiting.ts";

export interface KillOptions {
	kills: number;
	/** Messages that are sent between two kills, at most; each time a random share of it. */
	messagesPerKill: number;
	/** How long the broker has for what is left when the kills are over, in milliseconds. */
	drainMs: number;
}

export interface KillResult {
	/** What went wrong, in words; empty when nothing did. */
	violations: string[];
	sent: number;
	received: number;
	kills: number;
}

const RECONNECT_MS = 20_000;
/** Messages without an acknowledgement that one publisher has at a time. */
const WINDOW = 20;

/** Numbers of the messages one subscriber has had from one publisher. */
class Ledger {
	/** How each of them came, in words: packet id, DUP flag, and after which kill. */
	readonly arrivals = new Map<number, string[]>();
	/** The highest number so far. */
	last = 0;
}

class Publisher {
	readonly topic: string;
	readonly qos: Qos;
	readonly client: WireClient;
	/** The number of the last message sent. */
	sent = 0;

	constructor(
		port: number,
		name: string,
		qos: Qos,
		version: Version,
		violations: string[],
	) {
		this.topic = `kill/${name}/${qos}`;
		this.qos = qos;
		this.client = new WireClient({
			port,
			clientId: `publisher-${name}`,
			version,
			onMessage: () => violations.push(`${name} received a message`),
			onViolation: (what) => violations.push(what),
		});
	}

	/** Sends up to number `limit`, as far as window and socket allow now. */
	fill(limit: number): void {
		const { client } = this;
		while (this.sent < limit && client.unacknowledged < WINDOW) {
			if (!client.hasWindow) return;
			this.sent++;
			client.publish(this.topic, String(this.sent), this.qos, true);
		}
	}
}

class Subscriber {
	readonly name: string;
	readonly client: WireClient;
	readonly ledgers = new Map<string, Ledger>();
	received = 0;
	/** Kills so far. */
	kills = 0;
	readonly #violations: string[];

	constructor(
		port: number,
		name: string,
		version: Version,
		violations: string[],
	) {
		this.name = name;
		this.#violations = violations;
		this.client = new WireClient({
			port,
			clientId: `subscriber-${name}`,
			version,
			onMessage: (topic, payload, packet) => {
				if (packet.retain) return;
				const { qos, messageId, dup } = packet;
				const how = `id ${messageId}${dup ? " DUP" : ""} after kill ${this.kills}`;
				this.#onMessage(topic, Number(payload), qos, how);
			},
			onViolation: (what) => violations.push(what),
		});
	}

	#onMessage(topic: string, number: number, qos: Qos, how: string): void {
		let ledger = this.ledgers.get(topic);
		if (ledger === undefined) {
			ledger = new Ledger();
			this.ledgers.set(topic, ledger);
		}
		const arrivals = [...(ledger.arrivals.get(number) ?? []), how];
		ledger.arrivals.set(number, arrivals);
		this.received++;
		const what = `${this.name}: ${topic} ${number}`;
		if (qos === 2 && arrivals.length > 1) {
			this.#violations.push(`${what} came again: ${arrivals.join(", ")}`);
		}
		if (arrivals.length > 1) return;
		if (number < ledger.last) {
			this.#violations.push(`${what} came after ${ledger.last}: ${how}`);
		}
		ledger.last = Math.max(ledger.last, number);
	}

	/** Numbers up to `last` that never came. */
	missing(topic: string, last: number): number[] {
		const arrivals = this.ledgers.get(topic)?.arrivals;
		const numbers = Array.from({ length: last }, (_, index) => index + 1);
		return numbers.filter((number) => arrivals?.has(number) !== true);
	}
}

export class KillRun {
	readonly #broker: SpawnedBroker;
	readonly #violations: string[] = [];
	readonly #publishers: Publisher[];
	/** Connected all the time, as far as there is a broker. */
	readonly #present: Subscriber[];
	/** Away until the kills are over: all it gets has been on disk. */
	readonly #absent: Subscriber;

	/** @param broker started with limits that let the absent subscriber keep everything */
	constructor(broker: SpawnedBroker) {
		this.#broker = broker;
		const { port } = broker;
		const violations = this.#violations;
		this.#publishers = [
			new Publisher(port, "a", 1, 4, violations),
			new Publisher(port, "b", 2, 4, violations),
			new Publisher(port, "c", 1, 5, violations),
			new Publisher(port, "d", 2, 5, violations),
		];
		this.#present = [
			new Subscriber(port, "three", 4, violations),
			new Subscriber(port, "five", 5, violations),
		];
		this.#absent = new Subscriber(port, "absent", 5, violations);
	}

	async run(options: KillOptions): Promise<KillResult> {
		const subscribers = [...this.#present, this.#absent];
		for (const { client } of subscribers) {
			await client.connect({ clean: false, sessionExpirySeconds: 3600 });
			await client.subscribe(["kill/#"], 2);
		}
		await this.#absent.client.disconnect();
		for (const { client } of this.#publishers) await this.#return(client);
		for (let kill = 1; kill <= options.kills; kill++) {
			await this.#killOnce(options.messagesPerKill);
		}
		await this.#drain(options.drainMs);
		await this.#checkRetained();
		return {
			violations: this.#violations,
			sent: this.#publishers.reduce((sum, { sent }) => sum + sent, 0),
			received: subscribers.reduce((sum, { received }) => sum + received, 0),
			kills: options.kills,
		};
	}

	/** Traffic until a random number of messages was sent, then the end without a warning. */
	async #killOnce(messagesPerKill: number): Promise<void> {
		const target = new Map(
			this.#publishers.map((publisher) => [
				publisher,
				publisher.sent +
					1 +
					Math.floor(
						(Math.random() * messagesPerKill) / this.#publishers.length,
					),
			]),
		);
		await until(
			() => {
				let isDone = true;
				for (const [publisher, limit] of target) {
					publisher.fill(limit);
					if (publisher.sent < limit) isDone = false;
				}
				return isDone;
			},
			"messages are acknowledged",
			RECONNECT_MS,
		);
		await this.#broker.kill("SIGKILL");
		for (const subscriber of this.#present) subscriber.kills++;
		await until(
			() => this.#online.every((client) => !client.connected),
			"all clients notice that the broker is gone",
		);
		await this.#broker.restart();
		for (const { client, name } of this.#present) {
			if (!(await this.#return(client))) {
				this.#violations.push(`${name}: its session is gone`);
			}
		}
		for (const { client, topic } of this.#publishers) {
			if (!(await this.#return(client))) {
				this.#violations.push(`publisher of ${topic}: its session is gone`);
			}
		}
	}

	get #online(): WireClient[] {
		return [...this.#present, ...this.#publishers].map(({ client }) => client);
	}

	#return(client: WireClient): Promise<boolean> {
		return client.connect({ clean: false, sessionExpirySeconds: 3600 });
	}

	/** Everything sent is acknowledged in the end, so everything has to arrive. */
	async #drain(drainMs: number): Promise<void> {
		if (!(await this.#return(this.#absent.client))) {
			this.#violations.push("absent: its session is gone");
		}
		const all = [...this.#present, this.#absent];
		const isComplete = () =>
			this.#publishers.every(
				({ client, topic, sent }) =>
					client.unacknowledged === 0 &&
					all.every(
						({ ledgers }) => (ledgers.get(topic)?.arrivals.size ?? 0) >= sent,
					),
			);
		await until(isComplete, "complete", drainMs).catch(() => {
			for (const { client, topic } of this.#publishers) {
				if (client.unacknowledged === 0) continue;
				this.#violations.push(
					`${topic}: ${client.unacknowledged} messages were never acknowledged`,
				);
			}
		});
		for (const subscriber of all) {
			for (const { topic, sent } of this.#publishers) {
				const missing = subscriber.missing(topic, sent);
				if (missing.length === 0) continue;
				this.#violations.push(
					`${subscriber.name}: lost ${missing.length} of ${sent} of ${topic}: ${missing.slice(0, 10)}`,
				);
			}
		}
	}

	/** Each publisher's last message is the retained one. */
	async #checkRetained(): Promise<void> {
		const values = new Map<string, string>();
		const reader = new WireClient({
			port: this.#broker.port,
			clientId: "reader",
			version: 5,
			onMessage: (topic, payload) => values.set(topic, payload.toString()),
			onViolation: (what) => this.#violations.push(what),
		});
		await reader.connect({ clean: true });
		await reader.subscribe(["kill/#"], 1);
		const count = this.#publishers.length;
		await until(() => values.size >= count, "retained messages").catch(
			(error: Error) => this.#violations.push(error.message),
		);
		for (const { topic, sent } of this.#publishers) {
			const value = values.get(topic);
			if (value !== String(sent)) {
				this.#violations.push(`retained ${topic}: ${value}, not ${sent}`);
			}
		}
		await reader.disconnect();
		for (const client of [...this.#online, this.#absent.client]) {
			await client.disconnect();
		}
	}
}
