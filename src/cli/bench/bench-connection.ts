/**
 * One connection of the load generator: a client that does as little as a client may. All
 * connections of a run read into one buffer; what one read calls for is written at once.
 * Everything here runs inside one socket event.
 */
import { connect, type Socket } from "node:net";
import {
	byteAt,
	uint16At,
	varintAt,
	varintSize,
} from "../../protocol/bytes.ts";
import {
	type ConnectRequest,
	decodeConnack,
	decodeSuback,
	encodeConnect,
	encodeSubscribe,
} from "../../protocol/client-packets.ts";
import {
	MAX_REMAINING_LENGTH,
	PacketType,
	type QoS,
} from "../../protocol/constants.ts";
import {
	type FrameSink,
	FrameSplitter,
} from "../../protocol/frame-splitter.ts";
import type { Family } from "../../protocol/messages.ts";
import { SocketWriter } from "../../transport/socket-writer.ts";
import {
	ConnectionFailure,
	type ConnectionOwner,
	type ReadBuffer,
	type Target,
} from "./connection-owner.ts";
import { connackWords, inHex } from "./words.ts";

const PINGREQ = Buffer.from([PacketType.Pingreq << 4, 0]);
const DISCONNECT = Buffer.from([PacketType.Disconnect << 4, 0]);
const noBudget = { charge() {}, release() {} };

/** The broker may take so long for an answer; then the connection is given up. */
const ANSWER_MS = 30_000;

interface Waiting {
	readonly timer: NodeJS.Timeout;
	done(codes: number[]): void;
	fail(error: Error): void;
}

export class BenchConnection implements FrameSink {
	/** Its number among those of its kind. */
	readonly index: number;
	readonly clientId: string;
	/** QoS 1 and 2 messages sent that are not acknowledged. */
	inflight = 0;
	/** The broker's limit for {@link inflight}. */
	receiveMaximum = 65_535;
	/** CONNACK has come, and no end since. */
	isOpen = false;
	/** It was given up because the broker did not answer. */
	isLate = false;
	/** The system has not taken all that was written. */
	isBlocked = false;
	readonly #owner: ConnectionOwner;
	readonly #reading: ReadBuffer;
	readonly #family: Family;
	readonly #splitter = new FrameSplitter(MAX_REMAINING_LENGTH + 5, noBudget);
	readonly #socket: Socket;
	readonly #writer: SocketWriter;
	#chunk: Buffer | null = null;
	#ackBytes = 0;
	#lastId = 0;
	#waiting: Waiting | null = null;
	#isClosing = false;
	#why = "";
	#onPong: () => void = () => {};

	/** @param localAddress to connect from; undefined for the system's choice */
	constructor(
		index: number,
		clientId: string,
		target: Target,
		family: Family,
		reading: ReadBuffer,
		owner: ConnectionOwner,
		localAddress?: string,
	) {
		this.index = index;
		this.clientId = clientId;
		this.#owner = owner;
		this.#reading = reading;
		this.#family = family;
		const place =
			target.path === ""
				? { host: target.host, port: target.port, noDelay: true }
				: { path: target.path };
		this.#socket = connect({
			...place,
			...(localAddress === undefined ? {} : { localAddress }),
			onread: {
				buffer: reading.bytes,
				callback: (length, buffer) => this.#read(length, buffer as Buffer),
			},
		});
		this.#writer = new SocketWriter(this.#socket);
		this.#socket.on("drain", () => this.#drained());
		this.#socket.on("error", (error) => {
			this.#why ||= error.message;
		});
		this.#socket.on("close", () => this.#closed());
	}

	/** Sends CONNECT. @throws ConnectionFailure */
	async open(request: ConnectRequest): Promise<void> {
		await this.#ask(encodeConnect(request));
	}

	/** In one packet. @throws ConnectionFailure when the broker refuses one of them */
	async subscribe(filters: readonly string[], qos: QoS): Promise<void> {
		const frame = encodeSubscribe(this.nextId(), filters, qos, this.#family);
		const codes = await this.#ask(frame);
		const refused = codes.findIndex((code) => code >= 0x80);
		if (refused < 0) return;
		throw new ConnectionFailure(
			`the broker refuses the subscription to ${filters[refused]} (${inHex(codes[refused] ?? 0)})`,
		);
	}

	/** 1 to 65535, in turn. */
	nextId(): number {
		this.#lastId = this.#lastId === 65_535 ? 1 : this.#lastId + 1;
		return this.#lastId;
	}

	/**
	 * Hands bytes to the system at once.
	 * @returns false when it has not taken them all: they must not be changed until
	 *   {@link isBlocked} is false again
	 */
	write(bytes: Buffer): boolean {
		this.isBlocked = !this.#writer.write(null, [bytes]);
		return !this.isBlocked;
	}

	ping(): void {
		if (this.isOpen && !this.isBlocked) this.write(PINGREQ);
	}

	/** Resolves when the broker has read what was sent before, or is gone. */
	roundTrip(): Promise<void> {
		return new Promise((done) => {
			this.#onPong = done;
			this.ping();
		});
	}

	/** Says goodbye, and resolves when the connection is closed. */
	async close(): Promise<void> {
		if (this.#socket.closed) return;
		this.#isClosing = true;
		const closed = new Promise<void>((done) =>
			this.#socket.once("close", () => done()),
		);
		if (this.isOpen && !this.#socket.destroyed) this.#socket.end(DISCONNECT);
		this.#socket.destroySoon();
		await closed;
	}

	/** Without a goodbye. */
	destroy(): void {
		this.#isClosing = true;
		this.#socket.destroy();
	}

	onFrame(
		buffer: Buffer,
		start: number,
		bodyStart: number,
		end: number,
	): boolean {
		const first = byteAt(buffer, start);
		switch (first >> 4) {
			case PacketType.Publish:
				this.#publish(buffer, first, bodyStart, end);
				break;
			case PacketType.Puback:
			case PacketType.Pubcomp:
				this.#settled(
					uint16At(buffer, bodyStart),
					hasRefusal(buffer, bodyStart, end),
				);
				break;
			case PacketType.Pubrec:
				if (hasRefusal(buffer, bodyStart, end))
					this.#settled(uint16At(buffer, bodyStart), true);
				else this.#ack((PacketType.Pubrel << 4) | 2, buffer, bodyStart);
				break;
			case PacketType.Pubrel:
				this.#ack(PacketType.Pubcomp << 4, buffer, bodyStart);
				break;
			case PacketType.Connack:
				this.#connack(buffer, start, bodyStart, end);
				break;
			case PacketType.Suback:
				this.#answered(decodeSuback(buffer, bodyStart, end, this.#family));
				break;
			case PacketType.Pingresp:
				this.#onPong();
				break;
			case PacketType.Disconnect:
				this.#why = `the broker disconnects it${end > bodyStart ? ` (${inHex(byteAt(buffer, bodyStart))})` : ""}`;
				break;
		}
		return true;
	}

	#publish(buffer: Buffer, first: number, bodyStart: number, end: number) {
		let at = bodyStart + 2 + uint16At(buffer, bodyStart);
		const qos = (first >> 1) & 3;
		if (qos > 0) {
			const type = qos === 1 ? PacketType.Puback : PacketType.Pubrec;
			this.#ack(type << 4, buffer, at);
			at += 2;
		}
		if (this.#family === 5) {
			const length = varintAt(buffer, at, end, "Property Length");
			at += varintSize(length) + length;
		}
		this.#owner.arrived(this, buffer, at, end, buffer === this.#chunk);
	}

	#ack(first: number, buffer: Buffer, idAt: number): void {
		const { acks } = this.#reading;
		const at = this.#ackBytes;
		acks[at] = first;
		acks[at + 1] = 2;
		acks[at + 2] = byteAt(buffer, idAt);
		acks[at + 3] = byteAt(buffer, idAt + 1);
		this.#ackBytes = at + 4;
	}

	#settled(packetId: number, isRefused: boolean): void {
		this.inflight--;
		this.#owner.settled(this, packetId, isRefused);
	}

	#connack(buffer: Buffer, start: number, bodyStart: number, end: number) {
		const answer = decodeConnack(buffer, start, bodyStart, end, this.#family);
		if (answer.code === 0) {
			this.isOpen = true;
			this.receiveMaximum = answer.receiveMaximum;
			this.#answered([]);
			return;
		}
		this.#why = `the broker refuses: ${connackWords(answer.code)}`;
		this.destroy();
	}

	#read(length: number, buffer: Buffer): boolean {
		const chunk =
			length === buffer.length ? buffer : buffer.subarray(0, length);
		this.#chunk = chunk;
		this.#owner.reads();
		try {
			this.#splitter.push(chunk, this);
		} catch (error) {
			this.#why = `what the broker sends cannot be read: ${(error as Error).message}`;
			this.#socket.destroy();
			return true;
		}
		if (this.#ackBytes > 0) {
			const { acks } = this.#reading;
			if (!this.write(acks.subarray(0, this.#ackBytes)))
				this.#reading.renewAcks();
			this.#ackBytes = 0;
		}
		this.#owner.hasRoom();
		return true;
	}

	#drained(): void {
		if (this.#socket.writableLength > 0) return;
		this.isBlocked = false;
		this.#owner.hasRoom();
	}

	#ask(frame: Buffer): Promise<number[]> {
		return new Promise((done, fail) => {
			const timer = setTimeout(() => {
				this.#why = `the broker has not answered within ${ANSWER_MS / 1000} s`;
				this.isLate = true;
				this.#socket.destroy();
			}, ANSWER_MS);
			this.#waiting = { done, fail, timer };
			if (this.#socket.closed) this.#closed();
			else this.#socket.write(frame);
		});
	}

	/** Whoever waits for an answer, who is owed nothing from now on. */
	#takeWaiting(): Waiting | null {
		const waiting = this.#waiting;
		this.#waiting = null;
		if (waiting !== null) clearTimeout(waiting.timer);
		return waiting;
	}

	#answered(codes: number[]): void {
		this.#takeWaiting()?.done(codes);
	}

	#closed(): void {
		const wasOpen = this.isOpen;
		this.isOpen = false;
		const words = this.#why || "the broker closes the connection";
		const failure = new ConnectionFailure(`${this.clientId}: ${words}`);
		this.#takeWaiting()?.fail(failure);
		this.#onPong();
		if (wasOpen && !this.#isClosing) this.#owner.lost();
	}
}

/** A reason code of MQTT 5. */
function hasRefusal(buffer: Buffer, bodyStart: number, end: number): boolean {
	return end > bodyStart + 2 && byteAt(buffer, bodyStart + 2) >= 0x80;
}
