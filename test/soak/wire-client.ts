/**
 * A lean MQTT client for the soak run whose QoS bookkeeping is exact and
 * visible: its session (unacknowledged messages, received QoS 2 ids) survives
 * its connections, as a client with flash memory would keep it.
 * Bytes come from mqtt-packet; everything runs inside socket events.
 */
import { connect as connectTcp, type Socket } from "node:net";
import {
	generate,
	type IConnackPacket,
	type IConnectPacket,
	type IPublishPacket,
	type Packet,
	type Parser,
	parser,
} from "mqtt-packet";

export type Version = 3 | 4 | 5;
export type Qos = 0 | 1 | 2;

export interface WireClientOptions {
	port: number;
	clientId: string;
	version: Version;
	/** Called once per delivery: QoS 2 repeats are taken out already. */
	onMessage(topic: string, payload: Buffer, packet: IPublishPacket): void;
	/** Something the standard forbids, in words. */
	onViolation(what: string): void;
}

export interface ConnectOptions {
	/** Whether the session starts anew. */
	clean: boolean;
	/** MQTT 5 only, in seconds. */
	sessionExpirySeconds?: number;
	receiveMaximum?: number;
	will?: { topic: string; payload: string; qos: Qos; retain: boolean };
}

interface Outgoing {
	packet: IPublishPacket;
	/** PUBREC has come: only PUBREL is repeated from now on. */
	released: boolean;
	/** PUBREL was sent again on a later connection. */
	releaseRepeated?: boolean;
}

interface Waiting {
	done(packet: Packet): void;
	fail(error: Error): void;
}

const answerTimeoutMs = 30_000;
const window = 20;
const PACKET_ID_NOT_FOUND = 0x92;
const aliasMaximum = 10;

export class WireClient {
	readonly clientId: string;
	readonly version: Version;
	readonly #options: WireClientOptions;
	readonly #outgoing = new Map<number, Outgoing>();
	readonly #receivedQos2 = new Set<number>();
	readonly #waiting = new Map<number | "connack", Waiting>();
	readonly #aliases = new Map<number, string>();
	#socket: Socket | undefined;
	#parser: Parser | undefined;
	#lastId = 0;
	#connected = false;
	#brokerReceiveMaximum = window;
	/** What the session was granted, in ms from the end of its connection. */
	#expiryMs = 0;
	/** Until then the broker has to keep the session. */
	#keptUntilMs = 0;

	constructor(options: WireClientOptions) {
		this.clientId = options.clientId;
		this.version = options.version;
		this.#options = options;
	}

	get connected(): boolean {
		return this.#connected;
	}

	/** Messages of QoS 1 and 2 whose handshake is not complete. */
	get unacknowledged(): number {
		return this.#outgoing.size;
	}

	/** Whether a message of QoS 1 or 2 may be sent now. */
	get hasWindow(): boolean {
		return (
			this.#connected &&
			this.#outgoing.size < Math.min(window, this.#brokerReceiveMaximum) &&
			this.#socket?.writableNeedDrain === false
		);
	}

	/** Connects, repeats what is unacknowledged, and says whether the session was present. */
	async connect(options: ConnectOptions): Promise<boolean> {
		if (options.clean) {
			this.#outgoing.clear();
			this.#receivedQos2.clear();
			this.#keptUntilMs = 0;
		}
		this.#aliases.clear();
		this.#expiryMs = expiryMs(this.version, options);
		const socket = connectTcp({
			port: this.#options.port,
			host: "127.0.0.1",
			noDelay: true,
		});
		this.#socket = socket;
		const packets = parser({ protocolVersion: this.version });
		this.#parser = packets;
		packets.on("packet", (packet) => {
			if (socket === this.#socket) this.#handle(packet);
		});
		packets.on("error", (error) => {
			this.#violation(`undecodable bytes: ${error.message}`);
			socket.destroy();
		});
		socket.on("data", (chunk: Buffer) => packets.parse(chunk));
		socket.on("error", () => {
			// The close that follows is what counts.
		});
		socket.on("close", () => {
			if (socket === this.#socket) this.#closed();
		});
		const connack = this.#answer("connack", "CONNACK");
		this.#send(connectPacket(this.#options, options));
		const answer = (await connack) as IConnackPacket;
		const code = answer.reasonCode ?? answer.returnCode ?? 0;
		if (code !== 0) {
			socket.destroy();
			throw new Error(`${this.clientId}: CONNACK ${code}`);
		}
		return answer.sessionPresent;
	}

	async subscribe(filters: readonly string[], qos: Qos): Promise<void> {
		const messageId = this.#freeId();
		const answer = this.#answer(messageId, "SUBACK");
		this.#send({
			cmd: "subscribe",
			messageId,
			subscriptions: filters.map((topic) => ({ topic, qos })),
		});
		await answer;
	}

	async unsubscribe(filters: string[]): Promise<void> {
		const messageId = this.#freeId();
		const answer = this.#answer(messageId, "UNSUBACK");
		this.#send({ cmd: "unsubscribe", messageId, unsubscriptions: filters });
		await answer;
	}

	/** Sends a message; QoS 1 and 2 belong to the session from now on. */
	publish(topic: string, payload: string, qos: Qos, retain = false): void {
		const packet: IPublishPacket = {
			cmd: "publish",
			topic,
			payload: Buffer.from(payload),
			qos,
			retain,
			dup: false,
		};
		if (qos > 0) {
			packet.messageId = this.#freeId();
			this.#outgoing.set(packet.messageId, { packet, released: false });
		}
		this.#send(packet);
	}

	ping(): void {
		if (this.#connected) this.#send({ cmd: "pingreq" });
	}

	/** Ends with DISCONNECT. */
	async disconnect(): Promise<void> {
		const socket = this.#socket;
		if (socket === undefined) return;
		this.#connected = false;
		this.#keptUntilMs = performance.now() + this.#expiryMs;
		const closed = new Promise((done) => socket.once("close", done));
		// What arrives from here on may not be answered: the broker sends it again.
		this.#parser?.removeAllListeners("packet");
		this.#send({ cmd: "disconnect", reasonCode: 0 });
		socket.end();
		await closed;
	}

	/** Ends without a word, as when the power fails. */
	destroy(): void {
		const socket = this.#socket;
		if (socket === undefined) return;
		this.#closed();
		socket.resetAndDestroy();
	}

	#closed(): void {
		if (this.#connected) {
			this.#keptUntilMs = performance.now() + this.#expiryMs;
		}
		this.#socket = undefined;
		this.#connected = false;
		this.#parser?.removeAllListeners("packet");
		for (const waiting of this.#waiting.values()) {
			waiting.fail(new Error(`${this.clientId}: the connection ended`));
		}
		this.#waiting.clear();
	}

	#handle(packet: Packet): void {
		switch (packet.cmd) {
			case "connack":
				this.#handleConnack(packet);
				break;
			case "publish":
				this.#handlePublish(packet);
				break;
			case "puback":
				this.#handleAck(packet.messageId, packet.reasonCode, "PUBACK");
				break;
			case "pubrec":
				this.#handlePubrec(packet.messageId ?? 0, packet.reasonCode ?? 0);
				break;
			case "pubcomp":
				this.#handleAck(packet.messageId, packet.reasonCode, "PUBCOMP");
				break;
			case "pubrel":
				this.#receivedQos2.delete(packet.messageId ?? 0);
				this.#sendAck("pubcomp", packet.messageId ?? 0);
				break;
			case "suback":
				if (packet.granted.some((code) => Number(code) >= 0x80)) {
					this.#violation(`SUBACK ${packet.granted.join(" ")}`);
				}
				this.#resolve(packet.messageId ?? 0, packet);
				break;
			case "unsuback":
				this.#resolve(packet.messageId ?? 0, packet);
				break;
			case "disconnect":
				this.#violation(`DISCONNECT with reason ${packet.reasonCode}`);
				break;
			default:
				break;
		}
	}

	#handleConnack(packet: IConnackPacket): void {
		const code = packet.reasonCode ?? packet.returnCode ?? 0;
		if (code === 0) {
			this.#connected = true;
			this.#brokerReceiveMaximum = packet.properties?.receiveMaximum ?? 65_535;
			if (packet.sessionPresent) this.#repeat();
			// MQTT 3.1 cannot say that a session is present: it always repeats.
			else if (this.version === 3) this.#repeat();
			else {
				const isKept = performance.now() < this.#keptUntilMs;
				if (isKept && this.#outgoing.size > 0) {
					this.#violation("the broker lost a session with messages in flight");
				}
				this.#outgoing.clear();
				this.#receivedQos2.clear();
			}
		}
		this.#resolve("connack", packet);
	}

	#repeat(): void {
		for (const [messageId, outgoing] of this.#outgoing) {
			const { packet, released } = outgoing;
			if (released) {
				outgoing.releaseRepeated = true;
				this.#sendAck("pubrel", messageId);
			} else this.#send({ ...packet, dup: true });
		}
	}

	#handlePublish(packet: IPublishPacket): void {
		const topic = this.#resolveAlias(packet);
		const payload = Buffer.from(packet.payload);
		const messageId = packet.messageId ?? 0;
		if (packet.qos === 2) {
			const repeated = this.#receivedQos2.has(messageId);
			if (repeated && !packet.dup) {
				this.#violation(`id ${messageId} was used again before PUBREL`);
			}
			if (!repeated) {
				this.#receivedQos2.add(messageId);
				this.#options.onMessage(topic, payload, packet);
			}
			this.#sendAck("pubrec", messageId);
			return;
		}
		this.#options.onMessage(topic, payload, packet);
		if (packet.qos === 1) this.#sendAck("puback", messageId);
	}

	#resolveAlias(packet: IPublishPacket): string {
		const alias = packet.properties?.topicAlias;
		if (alias === undefined) return packet.topic;
		if (alias < 1 || alias > aliasMaximum) {
			this.#violation(`topic alias ${alias} of ${aliasMaximum}`);
		}
		if (packet.topic !== "") this.#aliases.set(alias, packet.topic);
		const topic = this.#aliases.get(alias);
		if (topic === undefined) this.#violation(`unknown topic alias ${alias}`);
		return topic ?? "";
	}

	#handlePubrec(messageId: number, reasonCode: number): void {
		const outgoing = this.#outgoing.get(messageId);
		if (reasonCode >= 0x80) {
			this.#handleAck(messageId, reasonCode, "PUBREC");
			return;
		}
		if (outgoing === undefined) this.#violation(`PUBREC for id ${messageId}`);
		else outgoing.released = true;
		this.#sendAck("pubrel", messageId);
	}

	#handleAck(messageId = 0, reasonCode = 0, name: string): void {
		// A PUBREL that is sent again after a lost PUBCOMP finds its id gone: no error [MQTT 5, 3.7.2.1].
		const isRecovery =
			reasonCode === PACKET_ID_NOT_FOUND &&
			this.#outgoing.get(messageId)?.releaseRepeated === true;
		if (reasonCode >= 0x80 && !isRecovery) {
			this.#violation(`${name} with ${reasonCode}`);
		}
		if (!this.#outgoing.delete(messageId)) {
			this.#violation(`${name} for id ${messageId}, which is not in use`);
		}
	}

	#sendAck(cmd: "puback" | "pubrec" | "pubrel" | "pubcomp", id: number): void {
		this.#send({ cmd, messageId: id } as Packet);
	}

	#send(packet: Packet): void {
		const socket = this.#socket;
		if (socket === undefined || socket.destroyed) return;
		socket.write(generate(packet, { protocolVersion: this.version }));
	}

	#freeId(): number {
		do {
			this.#lastId = (this.#lastId % 65_535) + 1;
		} while (
			this.#outgoing.has(this.#lastId) ||
			this.#waiting.has(this.#lastId)
		);
		return this.#lastId;
	}

	#answer(key: number | "connack", name: string): Promise<Packet> {
		return new Promise((done, fail) => {
			const timer = setTimeout(() => {
				this.#waiting.delete(key);
				const what = `${this.clientId}: no ${name} in ${answerTimeoutMs} ms`;
				this.#options.onViolation(what);
				fail(new Error(what));
			}, answerTimeoutMs);
			this.#waiting.set(key, {
				done(packet) {
					clearTimeout(timer);
					done(packet);
				},
				fail(error) {
					clearTimeout(timer);
					fail(error);
				},
			});
		});
	}

	#resolve(key: number | "connack", packet: Packet): void {
		this.#waiting.get(key)?.done(packet);
		this.#waiting.delete(key);
	}

	#violation(what: string): void {
		this.#options.onViolation(
			`${this.clientId} (level ${this.version}): ${what}`,
		);
	}
}

/** How long the broker keeps a session that nobody is connected to. */
function expiryMs(version: Version, options: ConnectOptions): number {
	if (version === 5) return (options.sessionExpirySeconds ?? 0) * 1000;
	return options.clean ? 0 : Number.POSITIVE_INFINITY;
}

function connectPacket(
	{ clientId, version }: WireClientOptions,
	options: ConnectOptions,
): IConnectPacket {
	const { clean, will } = options;
	return {
		cmd: "connect",
		protocolId: version === 3 ? "MQIsdp" : "MQTT",
		protocolVersion: version,
		clean,
		clientId,
		keepalive: 60,
		...(version === 5
			? {
					properties: {
						sessionExpiryInterval: options.sessionExpirySeconds ?? 0,
						receiveMaximum: options.receiveMaximum ?? 100,
						topicAliasMaximum: aliasMaximum,
					},
				}
			: {}),
		...(will === undefined
			? {}
			: { will: { ...will, payload: Buffer.from(will.payload) } }),
	};
}
