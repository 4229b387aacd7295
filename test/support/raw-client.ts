/**
 * A lean MQTT client on a real socket for tests with thousands of connections or floods:
 * packets are cut by hand, PUBLISHes are read without a library, everything else is kept
 * as bytes until a test asks for it. It can stop reading, send half packets and keep
 * silent, which a well-behaved client cannot.
 *
 * Owns its socket. Its session (ids of QoS 2 messages received) lasts one connection.
 */
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import mqttPacket, { type Packet } from "mqtt-packet";

export type Version = 3 | 4 | 5;
export type Qos = 0 | 1 | 2;
type PacketOf<Name extends Packet["cmd"]> = Extract<Packet, { cmd: Name }>;

export interface RawOptions {
	port: number;
	host?: string;
	/** The source address, for tests that need several. */
	from?: string;
	version?: Version;
	/** Whether PUBLISH and PUBREL are answered at once; true by default. */
	acknowledges?: boolean;
	/** Called for each PUBLISH; without it they are kept in {@link RawClient.messages}. */
	onMessage?: (message: Message) => void;
	/** Called for each PUBACK and PUBCOMP with its packet id. */
	onAcknowledged?: (id: number) => void;
}

export interface ConnectOptions {
	clientId: string;
	clean?: boolean;
	keepAliveSeconds?: number;
	/** MQTT 5 only. */
	sessionExpirySeconds?: number;
	receiveMaximum?: number;
	/** `delaySeconds` is MQTT 5 only. */
	will?: {
		topic: string;
		payload: string;
		qos?: Qos;
		retain?: boolean;
		delaySeconds?: number;
	};
}

/** One PUBLISH that arrived. */
export interface Message {
	readonly topic: string;
	readonly qos: number;
	readonly retain: boolean;
	readonly dup: boolean;
	/** 0 with QoS 0. */
	readonly id: number;
	/** Borrowed from the socket's chunk: copy what is to be kept for long. */
	readonly payload: Buffer;
}

/** How long a test waits for something that should happen, in milliseconds. */
export const patienceMs = 10_000;

const NOTHING = Buffer.alloc(0);

export class RawClient {
	readonly version: Version;
	readonly socket: Socket;
	/** Messages that arrived, without a handler of one's own. */
	readonly messages: Message[] = [];
	/** PUBLISH packets that arrived. */
	received = 0;
	/** PUBACK and PUBCOMP packets that arrived. */
	acknowledged = 0;
	/** What the CONNACK said. */
	sessionPresent = false;
	/** The connection is over, for whatever reason. */
	isClosed = false;
	/** Packets other than PUBLISH and its acknowledgements, not asked for yet. */
	readonly #frames: Buffer[] = [];
	readonly #acknowledges: boolean;
	readonly #onMessage: (message: Message) => void;
	readonly #onAcknowledged: (id: number) => void;
	readonly #waiting = new Set<() => void>();
	/** The beginning of a packet, and the chunks that follow until it is complete. */
	#held: Buffer = NOTHING;
	#parts: Buffer[] = [];
	#partBytes = 0;
	/** Bytes it lacks at least. */
	#missing = 1;
	#lastId = 0;

	constructor(options: RawOptions) {
		this.version = options.version ?? 4;
		this.#acknowledges = options.acknowledges ?? true;
		this.#onMessage =
			options.onMessage ?? ((message) => this.messages.push(message));
		this.#onAcknowledged = options.onAcknowledged ?? (() => {});
		const { port, host = "127.0.0.1", from } = options;
		this.socket = connectTcp({
			port,
			host,
			noDelay: true,
			...(from === undefined ? {} : { localAddress: from }),
		});
		this.socket.on("data", (chunk: Buffer) => this.#onData(chunk));
		this.socket.on("drain", () => this.#notify());
		this.socket.on("error", () => {
			// The close that follows is what counts.
		});
		this.socket.on("close", () => {
			this.isClosed = true;
			this.#notify();
		});
	}

	/** The source address and port, as the broker names it. */
	get address(): string {
		return `${this.socket.localAddress}:${this.socket.localPort}`;
	}

	send(bytes: Buffer): boolean {
		return this.socket.writable && this.socket.write(bytes);
	}

	/** Sends, and waits until the system has taken it; for publishers that flood. */
	async push(bytes: Buffer): Promise<void> {
		if (this.send(bytes)) return;
		while (!this.isClosed && this.socket.writableNeedDrain) {
			await this.#change(patienceMs);
		}
	}

	write(packet: Packet): void {
		this.send(encode(packet, this.version));
	}

	/** Connects; the CONNACK, which has to be a success, is returned. */
	async connect(options: ConnectOptions): Promise<PacketOf<"connack">> {
		this.send(connectBytes(options, this.version));
		const connack = await this.expect("connack");
		const code = connack.reasonCode ?? connack.returnCode ?? 0;
		if (code !== 0) throw new Error(`${options.clientId}: CONNACK ${code}`);
		this.sessionPresent = connack.sessionPresent;
		return connack;
	}

	async subscribe(filter: string, qos: Qos): Promise<void> {
		const messageId = this.nextId();
		this.write({
			cmd: "subscribe",
			messageId,
			subscriptions: [{ topic: filter, qos }],
		});
		const suback = await this.expect("suback");
		const [granted] = suback.granted;
		if (granted !== qos) throw new Error(`${filter}: granted ${granted}`);
	}

	/** Publishes, with QoS 1 or 2 until the acknowledgement is there. */
	async publish(
		topic: string,
		payload: string | Buffer,
		qos: Qos = 0,
		retain = false,
	): Promise<void> {
		const target = this.acknowledged + 1;
		const id = qos > 0 ? this.nextId() : 0;
		const packet = { topic, payload, qos, retain, id };
		await this.push(publishBytes(packet, this.version));
		if (qos > 0) {
			await this.until(
				() => this.acknowledged >= target,
				`acknowledgement of a message to ${topic}`,
			);
		}
	}

	/** A PINGREQ and its answer; returns the milliseconds that took. */
	async ping(): Promise<number> {
		const startMs = performance.now();
		this.send(Buffer.of(0xc0, 0));
		await this.expect("pingresp");
		return performance.now() - startMs;
	}

	/** The next packet that is no PUBLISH and no acknowledgement of one. */
	async next(waitMs = patienceMs): Promise<Packet> {
		await this.until(
			() => this.#frames.length > 0,
			"a packet of the broker",
			waitMs,
		);
		return decode(this.#frames.shift() ?? NOTHING, this.version);
	}

	/** @throws Error when another packet comes, or none */
	async expect<Name extends Packet["cmd"]>(
		name: Name,
		waitMs = patienceMs,
	): Promise<PacketOf<Name>> {
		const packet = await this.next(waitMs);
		if (packet.cmd === name) return packet as PacketOf<Name>;
		throw new Error(`expected ${name}, got ${JSON.stringify(packet)}`);
	}

	/** Waits for a condition on this client that an arrival or the close makes true. */
	async until(
		condition: () => boolean,
		what: string,
		waitMs = patienceMs,
	): Promise<void> {
		const deadline = performance.now() + waitMs;
		while (!condition()) {
			if (this.isClosed) throw new Error(`closed while waiting for ${what}`);
			if (performance.now() >= deadline) {
				throw new Error(`no ${what} within ${waitMs} ms`);
			}
			await this.#change(deadline - performance.now());
		}
	}

	/** Waits for the end of the connection. @throws Error when it stays open */
	async closed(waitMs = patienceMs): Promise<void> {
		const deadline = performance.now() + waitMs;
		while (!this.isClosed) {
			if (performance.now() >= deadline) {
				throw new Error(`still connected after ${waitMs} ms`);
			}
			await this.#change(deadline - performance.now());
		}
	}

	/** Says DISCONNECT and waits for the end. */
	async disconnect(): Promise<void> {
		this.send(Buffer.of(0xe0, 0));
		this.socket.end();
		await this.closed();
	}

	/** Ends without a word. */
	destroy(): void {
		this.socket.resetAndDestroy();
	}

	/** Stops taking bytes from the system. */
	pause(): void {
		this.socket.pause();
	}

	resume(): void {
		this.socket.resume();
	}

	nextId(): number {
		this.#lastId = (this.#lastId % 65_535) + 1;
		return this.#lastId;
	}

	#onData(chunk: Buffer): void {
		let buffer = chunk;
		if (this.#held.length > 0) {
			// A large packet arrives in many chunks: joined once it is complete.
			this.#parts.push(chunk);
			this.#partBytes += chunk.length;
			if (this.#partBytes < this.#missing) return;
			buffer = Buffer.concat([this.#held, ...this.#parts]);
		}
		this.#parts = [];
		this.#partBytes = 0;
		this.#missing = 1;
		let at = 0;
		for (;;) {
			const length = frameLength(buffer, at);
			if (length === 0 || at + length > buffer.length) {
				if (length > 0) this.#missing = at + length - buffer.length;
				break;
			}
			this.#onFrame(buffer.subarray(at, at + length));
			at += length;
		}
		this.#held = at === buffer.length ? NOTHING : buffer.subarray(at);
		this.#notify();
	}

	#onFrame(frame: Buffer): void {
		switch ((frame[0] ?? 0) >> 4) {
			case 3:
				this.#onPublish(frame);
				break;
			case 4:
			case 7:
				this.acknowledged++;
				this.#onAcknowledged(idOf(frame));
				break;
			case 5:
				this.#onPubrec(frame);
				break;
			case 6:
				if (this.#acknowledges) this.send(ackBytes(0x70, idOf(frame)));
				break;
			default:
				this.#frames.push(frame);
		}
	}

	#onPublish(frame: Buffer): void {
		this.received++;
		const message = readPublish(frame, this.version);
		if (this.#acknowledges && message.qos > 0) this.answer(message);
		this.#onMessage(message);
	}

	/** Acknowledges a message that was not by itself: PUBACK or PUBREC. */
	answer({ qos, id }: Message): void {
		this.send(ackBytes(qos === 1 ? 0x40 : 0x50, id));
	}

	#onPubrec(frame: Buffer): void {
		const reason = frame.length > 4 ? (frame[4] ?? 0) : 0;
		if (reason >= 0x80) this.acknowledged++;
		else this.send(ackBytes(0x62, idOf(frame)));
	}

	#notify(): void {
		for (const wake of this.#waiting) wake();
	}

	#change(waitMs: number): Promise<void> {
		return new Promise((done) => {
			const wake = () => {
				clearTimeout(timer);
				this.#waiting.delete(wake);
				done();
			};
			const timer = setTimeout(wake, Math.max(1, waitMs));
			this.#waiting.add(wake);
		});
	}
}

/** Opens a connection and sends nothing yet. */
export async function openRaw(options: RawOptions): Promise<RawClient> {
	const client = new RawClient(options);
	if (client.socket.connecting) {
		await once(client.socket, "connect");
	}
	return client;
}

/** Opens a connection and logs in. */
export async function connectRaw(
	options: RawOptions & ConnectOptions,
): Promise<RawClient> {
	const client = new RawClient(options);
	try {
		await client.connect(options);
	} catch (error) {
		client.destroy();
		throw error;
	}
	return client;
}

export function encode(packet: Packet, version: Version): Buffer {
	return mqttPacket.generate(packet, { protocolVersion: version }) as Buffer;
}

export function connectBytes(
	options: ConnectOptions,
	version: Version = 4,
): Buffer {
	const { clientId, clean = true, keepAliveSeconds = 600, will } = options;
	const packet: PacketOf<"connect"> = {
		cmd: "connect",
		protocolId: version === 3 ? "MQIsdp" : "MQTT",
		protocolVersion: version,
		clientId,
		clean,
		keepalive: keepAliveSeconds,
	};
	if (version === 5) {
		packet.properties = {
			sessionExpiryInterval: options.sessionExpirySeconds ?? 0,
		};
		if (options.receiveMaximum !== undefined) {
			packet.properties.receiveMaximum = options.receiveMaximum;
		}
	}
	if (will !== undefined) {
		packet.will = {
			topic: will.topic,
			payload: Buffer.from(will.payload),
			qos: will.qos ?? 0,
			retain: will.retain ?? false,
			...(version === 5
				? { properties: { willDelayInterval: will.delaySeconds ?? 0 } }
				: {}),
		};
	}
	return encode(packet, version);
}

/** A PUBLISH without properties. */
export function publishBytes(
	packet: {
		topic: string;
		payload: string | Buffer;
		qos?: Qos;
		retain?: boolean;
		dup?: boolean;
		id?: number;
	},
	version: Version = 4,
): Buffer {
	const { qos = 0, retain = false, dup = false, id = 0 } = packet;
	const topic = Buffer.from(packet.topic);
	const payload = Buffer.from(packet.payload);
	const idBytes = qos > 0 ? [id >> 8, id & 0xff] : [];
	const body = [
		Buffer.of(topic.length >> 8, topic.length & 0xff),
		topic,
		Buffer.from(version === 5 ? [...idBytes, 0] : idBytes),
		payload,
	];
	const length = body.reduce((sum, part) => sum + part.length, 0);
	const first = 0x30 | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0);
	return Buffer.concat([Buffer.from([first, ...varint(length)]), ...body]);
}

function ackBytes(first: number, id: number): Buffer {
	return Buffer.of(first, 2, id >> 8, id & 0xff);
}

/** A Remaining Length. */
export function varint(value: number): number[] {
	const bytes: number[] = [];
	let rest = value;
	do {
		const digit = rest % 128;
		rest = Math.floor(rest / 128);
		bytes.push(rest > 0 ? digit | 0x80 : digit);
	} while (rest > 0);
	return bytes;
}

function idOf(frame: Buffer): number {
	return frame.readUInt16BE(2);
}

/** Bytes of the packet at `at`; 0 while its header is incomplete. */
function frameLength(buffer: Buffer, at: number): number {
	let length = 0;
	for (let digit = 0; digit < 4; digit++) {
		const byte = buffer[at + 1 + digit];
		if (byte === undefined) return 0;
		length += (byte & 0x7f) * 128 ** digit;
		if (byte < 0x80) return 2 + digit + length;
	}
	throw new Error("the broker sent a Remaining Length of five bytes");
}

function readPublish(frame: Buffer, version: Version): Message {
	const first = frame[0] ?? 0;
	const qos = (first >> 1) & 3;
	let at = 1;
	while ((frame[at] ?? 0) >= 0x80) at++;
	const topicAt = at + 3;
	const topicEnd = topicAt + frame.readUInt16BE(at + 1);
	let payloadAt = topicEnd;
	let id = 0;
	if (qos > 0) {
		id = frame.readUInt16BE(topicEnd);
		payloadAt += 2;
	}
	if (version === 5) payloadAt = skipProperties(frame, payloadAt);
	return {
		topic: frame.toString("utf8", topicAt, topicEnd),
		qos,
		id,
		retain: (first & 1) === 1,
		dup: (first & 8) === 8,
		payload: frame.subarray(payloadAt),
	};
}

function skipProperties(frame: Buffer, start: number): number {
	let length = 0;
	let at = start;
	for (let factor = 1; ; factor *= 128) {
		const byte = frame[at++] ?? 0;
		length += (byte & 0x7f) * factor;
		if (byte < 0x80) return at + length;
	}
}

function decode(frame: Buffer, version: Version): Packet {
	let packet: Packet | null = null;
	let problem: Error | null = null;
	const parser = mqttPacket.parser({ protocolVersion: version });
	parser.on("packet", (decoded) => {
		packet = decoded;
	});
	parser.on("error", (error: Error) => {
		problem = error;
	});
	parser.parse(frame);
	if (packet !== null) return packet;
	throw new Error(`cannot decode ${frame.toString("hex")}`, { cause: problem });
}
