/**
 * What every rule of the checker has to know, built from the events so far: how far each
 * topic was sent and acknowledged, who is connected, when the broker was killed.
 */
import { ClientMemory } from "./client-memory.ts";
import type { Event, Numbered } from "./events.ts";

export interface Topic {
	/** The last number sent. */
	sent: number;
	/** The last number acknowledged by PUBACK or PUBREC; all before it were too. */
	acknowledged: number;
	/** By number. */
	readonly acknowledgedAt: number[];
	/** How often each number was sent. */
	readonly transmissions: number[];
	readonly sentAt: number[];
}

export interface Connection {
	readonly number: number;
	/** Infinity while it lasts. */
	endedAt: number;
	politely: boolean;
}

interface Client {
	readonly memory: ClientMemory;
	connection: Connection;
}

export class World {
	readonly topics = new Map<string, Topic>();
	readonly violations: string[] = [];
	readonly killedAt: number[] = [];
	readonly startedAt: number[] = [];
	readonly settledAt: number[] = [];
	/** Handshakes of QoS 2 that kills have cut off, by what was awaited. */
	readonly cutOff = { pubrec: 0, pubcomp: 0, pubrel: 0 };
	/** Acknowledgements from then on bind nobody: a power cut may take them (`relaxed`). */
	readonly lostFromMs: number;
	readonly #clients = new Map<string, Client>();

	constructor(lostFromMs: number) {
		this.lostFromMs = lostFromMs;
	}

	clientNames(): string[] {
		return [...this.#clients.keys()];
	}

	client(who: string): Client {
		let client = this.#clients.get(who);
		if (client === undefined) {
			client = { memory: new ClientMemory(), connection: connectionOf(0) };
			this.#clients.set(who, client);
		}
		return client;
	}

	topic(name: string): Topic {
		let topic = this.topics.get(name);
		if (topic === undefined) {
			topic = {
				sent: 0,
				acknowledged: 0,
				acknowledgedAt: [0],
				transmissions: [0],
				sentAt: [0],
			};
			this.topics.set(name, topic);
		}
		return topic;
	}

	violation(what: string): void {
		this.violations.push(what);
	}

	/** The last number of a topic that a power cut cannot take back. */
	bindingNumber(name: string): number {
		const { acknowledged, acknowledgedAt } = this.topic(name);
		let number = acknowledged;
		while (number > 0 && (acknowledgedAt[number] ?? 0) >= this.lostFromMs)
			number--;
		return number;
	}

	/** It was there after the last kill. */
	cameBack(who: string): boolean {
		const { endedAt } = this.client(who).connection;
		return endedAt > (this.killedAt.at(-1) ?? 0);
	}

	/** Whether the broker was killed between two moments. */
	wasKilledBetween(fromMs: number, toMs: number): boolean {
		return this.killedAt.some((at) => at >= fromMs && at <= toMs);
	}

	/** Before the client's memory takes the event in. */
	beforeMemory(event: Event): void {
		const { who, at } = event;
		switch (event.did) {
			case "killed":
				this.killedAt.push(at);
				this.#countHandshakes();
				break;
			case "settled":
				this.settledAt.push(at);
				break;
			case "started":
				this.startedAt.push(at);
				break;
			case "connect": {
				const client = this.client(who);
				client.connection = connectionOf(client.connection.number + 1);
				break;
			}
			case "gone": {
				const { connection } = this.client(who);
				connection.endedAt = at;
				connection.politely = event.politely;
				break;
			}
			case "send":
				this.#send(event);
				break;
			case "puback":
			case "pubrec":
				this.#acknowledge(event);
				break;
			case "wrong":
				this.violation(`${who}: ${event.what}`);
				break;
			default:
		}
	}

	#countHandshakes(): void {
		for (const { memory } of this.#clients.values()) {
			this.cutOff.pubrel += memory.received.size;
			for (const { qos, isReleased } of memory.outgoing.values())
				if (qos === 2) this.cutOff[isReleased ? "pubcomp" : "pubrec"]++;
		}
	}

	#send({ topic: name, number, at }: Event & Numbered): void {
		const topic = this.topic(name);
		topic.sent = Math.max(topic.sent, number);
		topic.transmissions[number] = (topic.transmissions[number] ?? 0) + 1;
		topic.sentAt[number] = at;
	}

	#acknowledge({ who, id, at }: Event & { id: number }): void {
		const outgoing = this.client(who).memory.outgoing.get(id);
		if (outgoing === undefined || outgoing.isReleased) return;
		const { number } = outgoing;
		const topic = this.topic(outgoing.topic);
		if (number !== topic.acknowledged + 1)
			this.violation(
				`${who}: ${outgoing.topic} ${number} was acknowledged after ${topic.acknowledged}`,
			);
		topic.acknowledged = Math.max(topic.acknowledged, number);
		topic.acknowledgedAt[number] = at;
	}
}

function connectionOf(number: number): Connection {
	return { number, endedAt: Number.POSITIVE_INFINITY, politely: false };
}
