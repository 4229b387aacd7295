/**
 * A client that records all it does, keeps its session whatever happens to its connection,
 * and answers late: so that a broker that is killed has handshakes at every stage.
 * Bytes come from mqtt-packet; everything runs inside socket events and one timer.
 */
import { connect as connectTcp, type Socket } from "node:net";
import {
	generate,
	type IConnackPacket,
	type IPublishPacket,
	type Packet,
	parser,
} from "mqtt-packet";
import type { Random } from "../soak/random.ts";
import type { Qos } from "../soak/wire-client.ts";
import { Answers } from "./answers.ts";
import { ClientMemory } from "./client-memory.ts";
import type { Deed, Event, EventLog, Will } from "./events.ts";
import { LateActs } from "./late.ts";
import {
	connectPacket,
	type Message,
	publishPacket,
	strangeProperties,
	WINDOW,
} from "./packets.ts";
import { numberOf } from "./payload.ts";

export interface CrashClientOptions {
	port: number;
	clientId: string;
	version: 4 | 5;
	random: Random;
	log: EventLog;
	/** Packet ids are not soon used again. */
	isRelaxed: boolean;
}

export interface ConnectOptions {
	clean?: boolean;
	/** MQTT 5 only; a 3.1.1 session without `clean` has no end. */
	expirySeconds?: number;
	/** Seconds until its will is published; null for no will. */
	willDelaySeconds?: number | null;
}

const KEEP_SECONDS = 3600;
/** A session of MQTT 3.1.1 has no end. */
const FOR_EVER_SECONDS = 0xffffffff;
/** Few packet ids: each is soon used again, as by a client that has run for long. */
const FEW_IDS = 3 * WINDOW;
const ALL_IDS = 65_535;
const PACKET_ID_NOT_FOUND = 0x92;

export class CrashClient {
	readonly clientId: string;
	readonly version: 4 | 5;
	readonly memory = new ClientMemory();
	readonly #port: number;
	readonly #log: EventLog;
	readonly #answers = new Answers((what) => this.#wrong(what));
	readonly #late: LateActs;
	#socket: Socket | null = null;
	#isConnected = false;
	/** DISCONNECT has been sent. */
	#isLeaving = false;
	readonly #ids: number;
	#lastId = 0;
	#onClosed: (() => void)[] = [];

	constructor(options: CrashClientOptions) {
		this.clientId = options.clientId;
		this.version = options.version;
		this.#port = options.port;
		this.#late = new LateActs(options.random);
		this.#log = options.log;
		this.#ids = options.isRelaxed ? ALL_IDS : FEW_IDS;
	}

	get isConnected(): boolean {
		return this.#isConnected;
	}

	/** Another message of QoS 1 or 2 may be sent now. */
	get hasWindow(): boolean {
		const { size } = this.memory.outgoing;
		return this.#isConnected && size < WINDOW;
	}

	/** Connects and goes on with its session; false when the connection was lost meanwhile. */
	async connect(options: ConnectOptions = {}): Promise<boolean> {
		const { clean = false, willDelaySeconds = null } = options;
		const kept = options.expirySeconds ?? KEEP_SECONDS;
		const expirySeconds =
			this.version === 5 ? kept : clean ? 0 : FOR_EVER_SECONDS;
		const will: Will | null =
			willDelaySeconds === null
				? null
				: {
						number: this.memory.lastWill + 1,
						delaySeconds: this.version === 5 ? willDelaySeconds : 0,
					};
		// One that is open still is left for the broker to close: it is taken over.
		if (this.#socket !== null) this.#lost(false);
		this.#open();
		this.#record({ did: "connect", clean, expirySeconds, will });
		const connack = this.#answers.wait("connack");
		const { clientId, version } = this;
		this.#send(connectPacket(clientId, version, clean, expirySeconds, will));
		const answer = (await connack) as IConnackPacket | null;
		const code = answer?.reasonCode ?? answer?.returnCode ?? 0;
		if (code !== 0) this.#wrong(`CONNACK ${code}`);
		return answer !== null && code === 0;
	}

	/** @returns whether it was granted */
	async subscribe(filter: string, qos: Qos): Promise<boolean> {
		if (!this.#isConnected) return false;
		const messageId = this.#freeId();
		this.#record({ did: "subscribe", filter, qos });
		const answer = this.#answers.wait(`suback ${messageId}`);
		this.#send({
			cmd: "subscribe",
			messageId,
			subscriptions: [{ topic: filter, qos }],
		});
		const suback = await answer;
		if (suback?.cmd !== "suback") return false;
		if (suback.granted[0] !== qos) this.#wrong(`SUBACK ${suback.granted}`);
		this.#record({ did: "subscribed", filter });
		return true;
	}

	async unsubscribe(filter: string): Promise<boolean> {
		if (!this.#isConnected) return false;
		const messageId = this.#freeId();
		this.#record({ did: "unsubscribe", filter });
		const answer = this.#answers.wait(`unsuback ${messageId}`);
		this.#send({ cmd: "unsubscribe", messageId, unsubscriptions: [filter] });
		if ((await answer) === null) return false;
		this.#record({ did: "unsubscribed", filter });
		return true;
	}

	/** Sends the next message of a topic. The caller has seen {@link hasWindow}. */
	publish(topic: string, qos: 1 | 2, retain = false): void {
		const number = (this.memory.sent.get(topic) ?? 0) + 1;
		this.#transmit(this.#freeId(), { topic, number, qos, retain }, false);
	}

	/** Ends with DISCONNECT; the broker's close says that it has seen it. */
	async disconnect(): Promise<void> {
		const socket = this.#socket;
		if (socket === null || !this.#isConnected) return;
		this.#late.flush();
		this.#send({ cmd: "disconnect", reasonCode: 0 });
		this.#isLeaving = true;
		this.#isConnected = false;
		socket.end();
		await this.#closed();
	}

	/** Ends without a word. */
	destroy(): void {
		const socket = this.#socket;
		socket?.resetAndDestroy();
		if (socket !== null) this.#lost(false);
	}

	#closed(): Promise<void> {
		return new Promise((done) => {
			if (this.#socket === null) done();
			else this.#onClosed.push(done);
		});
	}

	#open(): void {
		const socket = connectTcp({
			port: this.#port,
			host: "127.0.0.1",
			noDelay: true,
		});
		this.#socket = socket;
		this.#isLeaving = false;
		const packets = parser({ protocolVersion: this.version });
		packets.on("packet", (packet) => {
			if (socket === this.#socket) this.#handle(packet);
		});
		packets.on("error", (error) => {
			this.#wrong(`undecodable bytes: ${error.message}`);
			socket.destroy();
		});
		socket.on("data", (chunk: Buffer) => packets.parse(chunk));
		socket.on("error", () => {
			// The close that follows is what counts.
		});
		let hasEnded = false;
		socket.on("end", () => {
			hasEnded = true;
		});
		socket.on("close", () => {
			if (socket === this.#socket) this.#lost(hasEnded);
		});
	}

	/** @param hasEnded the broker closed its side in order */
	#lost(hasEnded: boolean): void {
		const politely = hasEnded && this.#isLeaving;
		this.#socket = null;
		this.#isConnected = false;
		this.#late.clear();
		this.#record({ did: "gone", politely });
		this.#answers.clear();
		for (const done of this.#onClosed.splice(0)) done();
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
			case "pubrec":
			case "pubcomp":
				this.#handleAnswer(
					packet.cmd,
					packet.messageId ?? 0,
					packet.reasonCode ?? 0,
				);
				break;
			case "pubrel":
				this.#record({ did: "pubrel", id: packet.messageId ?? 0 });
				this.#answerLate("pubcomp", packet.messageId ?? 0);
				break;
			case "suback":
			case "unsuback":
				this.#answers.come(`${packet.cmd} ${packet.messageId}`, packet);
				break;
			case "disconnect":
				// The broker says so when another connection takes over, or when it stops.
				break;
			default:
				this.#wrong(`${packet.cmd} from the broker`);
		}
	}

	#handleConnack(packet: IConnackPacket): void {
		if ((packet.reasonCode ?? packet.returnCode ?? 0) === 0) {
			this.#isConnected = true;
			this.#record({ did: "connack", present: packet.sessionPresent });
			for (const [id, message] of [...this.memory.outgoing]) {
				if (message.isReleased) this.#send({ cmd: "pubrel", messageId: id });
				else this.#transmit(id, message, true);
			}
		}
		this.#answers.come("connack", packet);
	}

	#handlePublish(packet: IPublishPacket): void {
		const { topic, qos, dup, retain } = packet;
		const id = packet.messageId ?? 0;
		const payload = packet.payload.toString();
		const number = numberOf(topic, payload);
		if (number === null) {
			this.#wrong(
				`a payload that nobody published, to ${topic}: ${payload.slice(0, 80)}`,
			);
			return;
		}
		const strange = strangeProperties(packet, number);
		if (this.version === 5 && strange !== "") this.#wrong(strange);
		this.#record({ did: "got", topic, number, id, qos, dup, retain });
		if (qos > 0) this.#answerLate(qos === 2 ? "pubrec" : "puback", id);
	}

	#handleAnswer(
		cmd: "puback" | "pubrec" | "pubcomp",
		id: number,
		reason: number,
	): void {
		const outgoing = this.memory.outgoing.get(id);
		// A PUBREL that is sent again after a lost PUBCOMP finds its id gone: no error [MQTT 5, 3.7.2.1].
		const isRecovery = cmd === "pubcomp" && reason === PACKET_ID_NOT_FOUND;
		if (outgoing === undefined)
			this.#wrong(`${cmd} for id ${id}, which is not in use`);
		else if (reason >= 0x80 && !isRecovery)
			this.#wrong(`${cmd} with ${reason}`);
		else if ((cmd === "puback") !== (outgoing.qos === 1))
			this.#wrong(`${cmd} for QoS ${outgoing.qos}`);
		this.#record({ did: cmd, id });
		if (cmd !== "pubrec") return;
		this.#late.add(() => this.#send({ cmd: "pubrel", messageId: id }));
	}

	#transmit(id: number, message: Message, dup: boolean): void {
		const { topic, number, qos, retain } = message;
		this.#record({ did: "send", id, topic, number, qos, retain });
		this.#send(publishPacket(id, message, dup, this.version));
	}

	#answerLate(packet: "puback" | "pubrec" | "pubcomp", id: number): void {
		this.#late.add(() => {
			this.#record({ did: "answer", packet, id });
			this.#send({ cmd: packet, messageId: id } as Packet);
		});
	}

	#record(deed: Deed): Event {
		const event = this.#log.add(this.clientId, deed);
		this.memory.apply(event);
		return event;
	}

	#wrong(what: string): void {
		this.#record({ did: "wrong", what });
	}

	#send(packet: Packet): void {
		const socket = this.#socket;
		if (socket === null || socket.destroyed) return;
		socket.write(generate(packet, { protocolVersion: this.version }));
	}

	#freeId(): number {
		do {
			this.#lastId = (this.#lastId % this.#ids) + 1;
		} while (
			this.memory.outgoing.has(this.#lastId) ||
			this.#answers.isAwaited(`suback ${this.#lastId}`) ||
			this.#answers.isAwaited(`unsuback ${this.#lastId}`)
		);
		return this.#lastId;
	}
}
