/**
 * The load of the feature table, a process of its own: takes a FeatureOrder as JSON
 * argument and prints a FeatureResult. Publishers stop when too much is not yet delivered,
 * so that all features are compared at capacity.
 */
import { setTimeout as pause } from "node:timers/promises";
import mqttPacket, { type Packet } from "mqtt-packet";
import { BenchConnection } from "../../src/cli/bench/bench-connection.ts";
import { sampleProcess } from "../../src/cli/bench/broker-process.ts";
import {
	type ConnectionOwner,
	ReadBuffer,
} from "../../src/cli/bench/connection-owner.ts";
import { encodePublish } from "../../src/protocol/encode-publish.ts";

export interface FeatureOrder {
	readonly port: number;
	/** A unix socket instead of the port; empty for TCP. */
	readonly path: string;
	/** The broker's process. */
	readonly pid: number;
	readonly shape: "fanin" | "fanout" | "pair";
	readonly publishers: number;
	readonly subscribers: number;
	readonly qos: 0 | 1 | 2;
	/** Most messages of a publisher that are not delivered yet. */
	readonly lag: number;
	readonly family: 3 | 5;
	readonly feature:
		| "none"
		| "properties"
		| "alias"
		| "identifier"
		| "shared"
		| "persistent"
		| "offline";
	readonly warmUpMs: number;
	readonly durationMs: number;
}

export interface FeatureResult {
	readonly cpuMicrosPerMessage: number;
	readonly deliveriesPerSecond: number;
	/** Of one core. */
	readonly brokerShare: number;
}

const PAYLOAD = Buffer.alloc(64, 0x61);
const WINDOW = 50;
const BURST = 64;
const PERSISTENT_SECONDS = 3600;
const NONE = Buffer.alloc(0);
/** A user property and a content type. */
const PROPERTIES = Buffer.from([
	...[0x26, 0, 4, ...Buffer.from("unit"), 0, 7, ...Buffer.from("celsius")],
	...[0x03, 0, 10, ...Buffer.from("text/plain")],
]);

interface Publisher {
	readonly connection: BenchConnection;
	readonly frame: Buffer;
	/** 0 without a packet id. */
	readonly idAt: number;
}

class FeatureLoad implements ConnectionOwner {
	readonly #order: FeatureOrder;
	readonly #reading = new ReadBuffer();
	readonly #publishers: Publisher[] = [];
	readonly #copies: number;
	#sent = 0;
	#received = 0;
	#isSending = false;
	#isPumpDue = false;

	constructor(order: FeatureOrder) {
		this.#order = order;
		this.#copies = order.shape === "fanout" ? order.subscribers : 1;
	}

	async run(): Promise<FeatureResult> {
		const { pid, warmUpMs, durationMs } = this.#order;
		await this.#connect();
		this.#isSending = true;
		this.#pump();
		await pause(warmUpMs);
		const look = () => ({
			atMs: performance.now(),
			cpuMs: sampleProcess(pid)?.cpuMs ?? Number.NaN,
			received: this.#received,
		});
		const before = look();
		await pause(durationMs);
		const after = look();
		this.#isSending = false;
		const ms = after.atMs - before.atMs;
		const cpuMs = after.cpuMs - before.cpuMs;
		const received = after.received - before.received;
		return {
			cpuMicrosPerMessage: (cpuMs * 1000) / received,
			deliveriesPerSecond: (received * 1000) / ms,
			brokerShare: cpuMs / ms,
		};
	}

	arrived(): void {
		this.#received++;
	}

	reads(): void {}
	settled(): void {}

	lost(): void {
		throw new Error("the broker has closed a connection");
	}

	/** Several reads of one turn of the event loop lead to one round of sending. */
	hasRoom(): void {
		if (this.#isPumpDue) return;
		this.#isPumpDue = true;
		setImmediate(() => {
			this.#isPumpDue = false;
			this.#pump();
		});
	}

	async #connect(): Promise<void> {
		const { shape, subscribers, publishers, feature } = this.#order;
		if (feature === "offline") {
			const away = await this.#open("away", true);
			await this.#subscribe(away, 0);
			await away.close();
		}
		for (let index = 0; index < subscribers; index++) {
			const isPersistent = feature === "persistent" || feature === "offline";
			const connection = await this.#open(`s${index}`, isPersistent);
			await this.#subscribe(connection, index);
		}
		for (let index = 0; index < publishers; index++) {
			const connection = await this.#open(`p${index}`, false);
			const topic = topicOf(shape === "fanout" ? 0 : index);
			this.#publishers.push(this.#publisher(connection, topic));
		}
	}

	async #open(id: string, isPersistent: boolean): Promise<BenchConnection> {
		const { port, path, family } = this.#order;
		const target = { host: "127.0.0.1", port, path };
		const index = this.#publishers.length;
		const connection = new BenchConnection(
			index,
			id,
			target,
			family,
			this.#reading,
			this,
		);
		await connection.open({
			family,
			clientId: id,
			cleanStart: !isPersistent,
			keepAliveSeconds: 300,
			sessionExpirySeconds: isPersistent ? PERSISTENT_SECONDS : 0,
			username: null,
			password: null,
		});
		return connection;
	}

	/** To what the subscriber with this number gets. */
	async #subscribe(connection: BenchConnection, index: number): Promise<void> {
		const { shape, qos, feature } = this.#order;
		const own = topicOf(shape === "pair" ? index : 0);
		const filter = shape === "fanin" ? "bench/+" : own;
		if (feature === "identifier") {
			// What the generator's own packets cannot say; its next answer comes behind this one's.
			const packet = {
				cmd: "subscribe",
				messageId: connection.nextId(),
				subscriptions: [{ topic: filter, qos }],
				properties: { subscriptionIdentifier: 1 + index },
			};
			const options = { protocolVersion: 5 } as const;
			connection.write(mqttPacket.generate(packet as Packet, options));
			await connection.subscribe([`behind/${index}`], qos);
			return;
		}
		// A group of its own for each, so that all get what they get without it.
		const prefix = feature === "shared" ? `$share/g${index}/` : "";
		await connection.subscribe([`${prefix}${filter}`], qos);
	}

	#publisher(connection: BenchConnection, topic: string): Publisher {
		const { qos, family, feature } = this.#order;
		const isAlias = feature === "alias";
		const encode = (omitTopic: boolean) =>
			encodePublish(
				{
					topic,
					qos,
					retain: false,
					payload: PAYLOAD,
					properties: feature === "properties" ? PROPERTIES : NONE,
					expirySeconds: -1,
				},
				{
					family,
					qos,
					retain: false,
					dup: false,
					packetId: 0,
					identifiers: [],
					expirySeconds: -1,
					topicAlias: isAlias ? 1 : 0,
					omitTopic,
				},
			);
		const frame = encode(isAlias);
		const nameLength = isAlias ? 0 : Buffer.byteLength(topic);
		const idAt = qos === 0 ? 0 : 2 + 2 + nameLength;
		const publisher = { connection, frame, idAt };
		if (isAlias) {
			// The first message tells the alias.
			const first = encode(false);
			const firstIdAt = qos === 0 ? 0 : 2 + 2 + Buffer.byteLength(topic);
			this.#send({ connection, frame: first, idAt: firstIdAt }, 1);
		}
		return publisher;
	}

	#pump(): void {
		if (!this.#isSending) return;
		const { lag, publishers, qos } = this.#order;
		for (const publisher of this.#publishers) {
			const { connection } = publisher;
			const undelivered = this.#sent - this.#received / this.#copies;
			const window = Math.min(WINDOW, connection.receiveMaximum);
			const room = Math.floor(lag * publishers - undelivered);
			const mayWait = qos === 0 ? BURST : window - connection.inflight;
			const count = Math.min(BURST, mayWait, room);
			if (count > 0 && !connection.isBlocked) this.#send(publisher, count);
		}
	}

	#send({ connection, frame, idAt }: Publisher, count: number): void {
		const bytes = Buffer.allocUnsafe(frame.length * count);
		for (let copy = 0; copy < count; copy++) {
			const at = copy * frame.length;
			frame.copy(bytes, at);
			if (idAt === 0) continue;
			bytes.writeUInt16BE(connection.nextId(), at + idAt);
			connection.inflight++;
		}
		connection.write(bytes);
		this.#sent += count;
	}
}

function topicOf(index: number): string {
	return `bench/${String(index).padStart(4, "0")}`;
}

const order = JSON.parse(process.argv[2] ?? "{}") as FeatureOrder;
console.log(JSON.stringify(await new FeatureLoad(order).run()));
process.exit(0);
