/**
 * Clients that keep to the standard, for models: a publisher that sends again what was
 * not acknowledged, and a subscriber that acknowledges when it is told to. Their state
 * outlives connections and restarts of the broker.
 */

import type { TestClient } from "../broker/broker-fixture.ts";
import type { PersistentBroker } from "./persistent-broker.ts";

export interface Sent {
	readonly payload: string;
	readonly topic: string;
	readonly qos: 1 | 2;
	readonly packetId: number;
	/** PUBREC came: from now on PUBREL. */
	isReleased: boolean;
}

/** A persistent publisher. Its payloads are `1`, `2`, ... */
export class ModelPublisher {
	readonly #broker: PersistentBroker;
	readonly #clientId: string;
	readonly #unfinished = new Map<number, Sent>();
	/** Everything the broker has taken responsibility for, in the order of publishing. */
	readonly acknowledged = new Set<string>();
	readonly all: Sent[] = [];
	#client: TestClient | null = null;
	#lastId = 0;

	constructor(broker: PersistentBroker, clientId: string) {
		this.#broker = broker;
		this.#clientId = clientId;
	}

	get isDone(): boolean {
		return this.#unfinished.size === 0;
	}

	publish(topic: string, qos: 1 | 2): void {
		const packetId = ++this.#lastId;
		const payload = `${packetId}`;
		const sent = { payload, topic, qos, packetId, isReleased: false };
		this.#unfinished.set(packetId, sent);
		this.all.push(sent);
		this.#client?.publish(topic, payload, qos, { messageId: packetId });
	}

	/** Connects and sends again what is unfinished. */
	async connect(): Promise<void> {
		if (this.#client !== null) return;
		this.#client = await this.#broker.connect(this.#clientId, 1000);
		for (const sent of this.#unfinished.values()) {
			const { topic, payload, qos, packetId } = sent;
			if (sent.isReleased) this.#client.acknowledge("pubrel", packetId);
			else
				this.#client.publish(topic, payload, qos, {
					messageId: packetId,
					dup: true,
				});
		}
	}

	drop(): void {
		this.#client?.destroy();
		this.#client = null;
	}

	/** Goes for good. */
	async leave(): Promise<void> {
		await this.connect();
		await this.#broker.discard(this.#client, this.#clientId);
		this.#client = null;
	}

	/** Handles what has arrived. @returns false when nothing had */
	async handle(): Promise<boolean> {
		const client = this.#client;
		if (client === null || client.pending.length === 0) return false;
		while (client.pending.length > 0) {
			const arrival = await client.next();
			if (typeof arrival === "string" || arrival.packet === null) break;
			const { packet } = arrival;
			const id = packet.messageId ?? 0;
			const sent = this.#unfinished.get(id);
			if (packet.cmd === "pubrec") {
				if (sent !== undefined) {
					sent.isReleased = true;
					this.acknowledged.add(sent.payload);
				}
				client.acknowledge("pubrel", id);
			} else if (packet.cmd === "puback" || packet.cmd === "pubcomp") {
				if (sent !== undefined) this.acknowledged.add(sent.payload);
				this.#unfinished.delete(id);
			} else {
				throw new Error(`the publisher got ${packet.cmd}`);
			}
		}
		return true;
	}
}

interface Pending {
	readonly packetId: number;
	readonly qos: 1 | 2;
	readonly payload: string;
}

/** A subscriber; notes what it was given, and acknowledges one message at a time. */
export class ModelSubscriber {
	readonly clientId: string;
	readonly #broker: PersistentBroker;
	readonly #filter: string;
	readonly #expirySeconds: number;
	/** Payloads with QoS 1 in the order of arrival, repetitions included. */
	readonly receivedQoS1: string[] = [];
	/** Payloads with QoS 2, each noted when its packet id was new. */
	readonly receivedQoS2: string[] = [];
	/** Refused with a negative PUBACK or PUBREC; refused again if they come again. */
	readonly refused = new Set<string>();
	/** QoS 2 packet ids between PUBLISH and PUBREL. */
	readonly #receivedIds = new Map<number, string>();
	readonly #pending: Pending[] = [];
	/** The most that was unacknowledged at once. */
	mostUnacknowledged = 0;
	#unacknowledged = new Set<number>();
	#client: TestClient | null = null;

	/** @param expirySeconds of its session; 0: clean */
	constructor(
		broker: PersistentBroker,
		clientId: string,
		filter: string,
		expirySeconds: number,
	) {
		this.#broker = broker;
		this.clientId = clientId;
		this.#filter = filter;
		this.#expirySeconds = expirySeconds;
	}

	get isOnline(): boolean {
		return this.#client !== null;
	}

	get isPersistent(): boolean {
		return this.#expirySeconds > 0;
	}

	get isIdle(): boolean {
		return this.#pending.length === 0 && this.#receivedIds.size === 0;
	}

	async connect(receiveMaximum: number): Promise<void> {
		if (this.#client !== null) return;
		this.#pending.length = 0;
		this.#unacknowledged.clear();
		this.#client = await this.#broker.connect(
			this.clientId,
			this.#expirySeconds,
			receiveMaximum,
		);
		if (this.#expirySeconds === 0 || !this.#broker.hadSession)
			this.#receivedIds.clear();
		if (!this.#broker.hadSession) this.#client.startSubscribe(this.#filter, 2);
	}

	drop(): void {
		this.#client?.destroy();
		this.#client = null;
	}

	/** Goes for good; its session ends. */
	async leave(): Promise<void> {
		if (this.#client === null) await this.connect(9);
		await this.#broker.discard(this.#client, this.clientId);
		this.#client = null;
		this.#receivedIds.clear();
		this.#pending.length = 0;
	}

	/** Handles what has arrived: notes messages, answers PUBREL. */
	async handle(): Promise<boolean> {
		const client = this.#client;
		if (client === null || client.pending.length === 0) return false;
		while (client.pending.length > 0) {
			const arrival = await client.next();
			if (typeof arrival === "string" || arrival.packet === null) break;
			const { packet } = arrival;
			if (packet.cmd === "publish") {
				this.#note(packet.messageId ?? 0, packet.qos, `${packet.payload}`);
			} else if (packet.cmd === "pubrel") {
				const id = packet.messageId ?? 0;
				this.#receivedIds.delete(id);
				this.#unacknowledged.delete(id);
				client.acknowledge("pubcomp", id);
			} else if (packet.cmd !== "suback") {
				throw new Error(`the subscriber got ${packet.cmd}`);
			}
		}
		return true;
	}

	/** Answers one message that waits; false when none does. */
	acknowledge(index: number, isRefusal = false): boolean {
		const client = this.#client;
		if (client === null || this.#pending.length === 0) return false;
		const [next] = this.#pending.splice(index % this.#pending.length, 1);
		if (next === undefined) return false;
		const { packetId, qos, payload } = next;
		const isNew = qos === 1 || this.#receivedIds.get(packetId) === payload;
		const refuses = this.refused.has(payload) || (isRefusal && isNew);
		client.acknowledge(
			qos === 1 ? "puback" : "pubrec",
			packetId,
			refuses ? 0x80 : 0,
		);
		if (refuses) {
			this.refused.add(payload);
			this.#receivedIds.delete(packetId);
		}
		if (refuses || qos === 1) this.#unacknowledged.delete(packetId);
		return true;
	}

	#note(packetId: number, qos: number, payload: string): void {
		this.#unacknowledged.add(packetId);
		this.mostUnacknowledged = Math.max(
			this.mostUnacknowledged,
			this.#unacknowledged.size,
		);
		if (qos === 1) {
			this.receivedQoS1.push(payload);
			this.#pending.push({ packetId, qos, payload });
			return;
		}
		const known = this.#receivedIds.get(packetId);
		if (known !== undefined && known !== payload)
			throw new Error(`id ${packetId} of ${known} was used for ${payload}`);
		if (known === undefined) {
			if (!this.refused.has(payload)) this.receivedQoS2.push(payload);
			this.#receivedIds.set(packetId, payload);
		}
		this.#pending.push({ packetId, qos: 2, payload });
	}
}
