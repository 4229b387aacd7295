/**
 * A raw MQTT client for tests: sends any bytes, and hands out what arrives packet by
 * packet, decoded by the mqtt-packet library (not by the broker's own decoder).
 *
 * Owns its stream. Nothing is acknowledged by itself; the test says what is sent.
 */
import type { Duplex } from "node:stream";
import mqttPacket, { type Packet } from "mqtt-packet";

export interface ReceivedPacket {
	/** The packet exactly as it arrived. */
	readonly bytes: Buffer;
	/** Null when mqtt-packet could not decode it. */
	readonly packet: Packet | null;
	/** Why it could not be decoded; empty otherwise. */
	readonly problem: string;
}

/** What {@link WireClient.next} gives when the stream has ended or when nothing came. */
export type Arrival = ReceivedPacket | "closed" | "timeout";

type PacketOf<Name extends Packet["cmd"]> = Extract<Packet, { cmd: Name }>;

/** How long a test waits for something that should happen, before it fails. */
const DEFAULT_PATIENCE_MS = Number(process.env.WIRE_PATIENCE_MS ?? 3000);

export class WireClient {
	readonly stream: Duplex;
	/** Decides how arriving packets are decoded. */
	version: 3 | 4 | 5;
	/** The stream has ended, failed, or was closed by us. */
	isClosed = false;
	readonly #inbox: ReceivedPacket[] = [];
	#buffer: Buffer = Buffer.alloc(0);
	#wake: (() => void) | null = null;
	readonly #aliases = new Map<number, string>();
	/** PINGRESPs that answer our own {@link settle}, not to be shown to the test. */
	#hiddenPings = 0;
	#pingsAnswered = 0;

	constructor(stream: Duplex, version: 3 | 4 | 5 = 5) {
		this.stream = stream;
		this.version = version;
		stream.on("data", (chunk: Buffer) => this.#onData(chunk));
		const onEnd = () => this.#onEnd();
		stream.on("end", onEnd).on("close", onEnd).on("error", onEnd);
	}

	/** Packets that arrived and were not taken yet. */
	get pending(): readonly ReceivedPacket[] {
		return this.#inbox;
	}

	send(bytes: Buffer): void {
		if (this.stream.writable) this.stream.write(bytes);
	}

	/** Sends a packet given as mqtt-packet's object. */
	write(packet: Packet): void {
		this.send(
			mqttPacket.generate(packet, { protocolVersion: this.version }) as Buffer,
		);
	}

	/** The next packet, or why there is none. */
	async next(patienceMs = DEFAULT_PATIENCE_MS): Promise<Arrival> {
		const arrived = () => this.#inbox.length > 0;
		const ok = await this.#until(arrived, patienceMs);
		const packet = this.#inbox.shift();
		if (ok && packet !== undefined) return packet;
		return this.isClosed ? "closed" : "timeout";
	}

	/**
	 * The next packet, which has to be of this type.
	 * @throws Error saying what came instead
	 */
	async expect<Name extends Packet["cmd"]>(
		name: Name,
	): Promise<PacketOf<Name>> {
		const arrival = await this.next();
		if (typeof arrival !== "string" && arrival.packet?.cmd === name)
			return arrival.packet as PacketOf<Name>;
		throw new Error(`expected ${name}, got ${describeArrival(arrival)}`);
	}

	/** True once the other side has closed; false when it did not in time. */
	closed(patienceMs = DEFAULT_PATIENCE_MS): Promise<boolean> {
		return this.#until(() => this.isClosed, patienceMs, false);
	}

	/** Connects with a clean session and waits for the CONNACK. */
	async connect(
		clientId: string,
		options: Partial<PacketOf<"connect">> = {},
	): Promise<PacketOf<"connack">> {
		this.write({
			cmd: "connect",
			clientId,
			clean: true,
			keepalive: 600,
			protocolVersion: this.version,
			protocolId: this.version === 3 ? "MQIsdp" : "MQTT",
			...options,
		});
		return await this.expect("connack");
	}

	/**
	 * A PINGREQ and its PINGRESP, kept out of the inbox: afterwards the broker has
	 * handled all that this client sent. False when the stream closed or nothing came.
	 */
	async settle(patienceMs = DEFAULT_PATIENCE_MS): Promise<boolean> {
		if (this.isClosed) return false;
		const target = this.#pingsAnswered + ++this.#hiddenPings;
		this.send(Buffer.of(0xc0, 0x00));
		return await this.#until(() => this.#pingsAnswered >= target, patienceMs);
	}

	/** Cuts the connection without a DISCONNECT. */
	destroy(): void {
		this.isClosed = true;
		this.stream.end();
		this.stream.destroy();
	}

	#onData(chunk: Buffer): void {
		this.#buffer =
			this.#buffer.length === 0
				? Buffer.from(chunk)
				: Buffer.concat([this.#buffer, chunk]);
		for (;;) {
			const length = frameLength(this.#buffer);
			if (length === 0 || this.#buffer.length < length) break;
			this.#onFrame(Buffer.from(this.#buffer.subarray(0, length)));
			this.#buffer = this.#buffer.subarray(length);
		}
		this.#notify();
	}

	#onFrame(bytes: Buffer): void {
		if (this.#hiddenPings > 0 && bytes.length === 2 && bytes[0] === 0xd0) {
			this.#hiddenPings--;
			this.#pingsAnswered++;
			return;
		}
		const received = decodeFrame(bytes, this.version);
		if (received.packet?.cmd === "publish") this.#resolveAlias(received.packet);
		this.#inbox.push(received);
	}

	/** Puts the topic in that an alias stands for, as any client does. */
	#resolveAlias(publish: PacketOf<"publish">): void {
		const alias = publish.properties?.topicAlias;
		if (alias === undefined) return;
		if (publish.topic === "") publish.topic = this.#aliases.get(alias) ?? "";
		else this.#aliases.set(alias, publish.topic);
	}

	#onEnd(): void {
		this.isClosed = true;
		this.#notify();
	}

	#notify(): void {
		const wake = this.#wake;
		this.#wake = null;
		wake?.();
	}

	/** Waits until `condition`; false when the stream closed (unless told otherwise) or time is up. */
	async #until(
		condition: () => boolean,
		patienceMs: number,
		stopWhenClosed = true,
	): Promise<boolean> {
		const deadline = performance.now() + patienceMs;
		while (!condition()) {
			if (stopWhenClosed && this.isClosed) return false;
			const left = deadline - performance.now();
			if (left <= 0) return false;
			await new Promise<void>((resolve) => {
				const timer = setTimeout(resolve, left);
				this.#wake = () => {
					clearTimeout(timer);
					resolve();
				};
			});
		}
		return true;
	}
}

/** Bytes of the packet at the start of `buffer`; 0 while its header is incomplete. */
function frameLength(buffer: Buffer): number {
	let length = 0;
	for (let digit = 0; digit < 4; digit++) {
		const byte = buffer[1 + digit];
		if (byte === undefined) return 0;
		length += (byte & 0x7f) * 128 ** digit;
		if (byte < 0x80) return 2 + digit + length;
	}
	return buffer.length; // not MQTT: shown to the test as it is
}

/** Decodes one whole packet with mqtt-packet. */
function decodeFrame(bytes: Buffer, version: 3 | 4 | 5): ReceivedPacket {
	let packet: Packet | null = null;
	let problem = "";
	const parser = mqttPacket.parser({ protocolVersion: version });
	parser.on("packet", (decoded) => {
		packet = decoded;
	});
	parser.on("error", (error: Error) => {
		problem = error.message;
	});
	parser.parse(bytes);
	if (packet === null && problem === "") problem = "incomplete packet";
	return { bytes, packet: problem === "" ? packet : null, problem };
}

/** In hex and in words, for failure messages; long packets are shortened. */
export function describeArrival(arrival: Arrival): string {
	if (arrival === "closed") return "the end of the connection";
	if (arrival === "timeout") return "nothing";
	const hex = arrival.bytes.toString("hex").replace(/..(?=.)/g, "$& ");
	const shown = hex.length > 600 ? `${hex.slice(0, 600)} ...` : hex;
	const decoded = arrival.packet
		? JSON.stringify(arrival.packet, showValue)
		: `not decodable: ${arrival.problem}`;
	return `${shown}\n    = ${decoded.slice(0, 1000)}`;
}

function showValue(_key: string, value: unknown): unknown {
	if (
		typeof value === "object" &&
		value !== null &&
		"type" in value &&
		value.type === "Buffer" &&
		"data" in value
	)
		return Buffer.from(value.data as number[]).toString("latin1");
	return value;
}
