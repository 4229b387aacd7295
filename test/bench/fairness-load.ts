/**
 * One side of the fairness benchmark, a process of its own: takes a FairnessOrder as JSON
 * argument, prints what it has to say as a line of JSON, and ends. The quiet side prints
 * its figures; a disturbance prints `ready`, goes on when a line comes in, and tells how
 * much it did when its input ends.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { QoS } from "../../src/protocol/constants.ts";
import { LoadConnection, publishFrame } from "./load-connection.ts";

export type FairnessOrder = { port: number } & (
	| { side: "quiet"; seconds: number }
	| { side: "flood" | "sink"; qos: 0 | 1 }
	| { side: "drain"; messages: number }
);

/** Microseconds from the write of a message to its arrival. */
export interface Latency {
	readonly messagesPerSecond: number;
	readonly qos: number;
	readonly p50: number;
	readonly p99: number;
	readonly max: number;
	readonly lost: number;
}

/** What one side of a disturbance did, from being told to begin until the end. */
export interface Disturbed {
	/** Messages sent by a flood, received by the others. */
	readonly count: number;
	readonly seconds: number;
}

const PAYLOAD_BYTES = 64;
const FLOOD_BURST = 500;
const PUBLISHER_WINDOW = 1000;
/** How long the last messages of the quiet pairs may take. */
const LATE_MS = 3000;
const DISTURBED_TOPIC = "busy/0000";

/** Publishes at a fixed pace and takes its own time: it waits for no answer. */
class QuietPair {
	readonly #rate: number;
	readonly #qos: 0 | 1;
	readonly #publisher: LoadConnection;
	readonly #subscriber: LoadConnection;
	readonly #micros: number[] = [];
	#sent = 0;

	constructor(port: number, rate: number, qos: 0 | 1) {
		this.#rate = rate;
		this.#qos = qos;
		this.#publisher = new LoadConnection(
			port,
			() => {},
			() => {},
		);
		this.#subscriber = new LoadConnection(
			port,
			(bytes, at) => {
				const sentAtMs = bytes.readDoubleBE(at);
				this.#micros.push((performance.now() - sentAtMs) * 1000);
			},
			() => {},
		);
	}

	get #topic(): string {
		return `quiet/${this.#qos}/${String(this.#rate).padStart(4, "0")}`;
	}

	async open(): Promise<void> {
		await this.#publisher.open(`from-${this.#topic}`);
		await this.#subscriber.open(`to-${this.#topic}`);
		await this.#subscriber.subscribe(this.#topic, this.#qos);
	}

	async run(seconds: number): Promise<Latency> {
		const { frame, idOffset, payloadOffset } = publishFrame(
			this.#topic,
			this.#qos,
			Buffer.alloc(PAYLOAD_BYTES, 0x61),
		);
		const begin = performance.now();
		for (const count = this.#rate * seconds; this.#sent < count; this.#sent++) {
			const dueMs = begin + (this.#sent * 1000) / this.#rate;
			await pause(Math.max(0, dueMs - performance.now()));
			frame.writeDoubleBE(performance.now(), payloadOffset);
			this.#publisher.send(frame, 1, idOffset);
		}
		const deadline = performance.now() + LATE_MS;
		while (this.#micros.length < this.#sent && performance.now() < deadline)
			await pause(5);
		return this.#latency();
	}

	#latency(): Latency {
		const sorted = this.#micros.toSorted((a, b) => a - b);
		const at = (part: number) =>
			Math.round(
				sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ??
					Number.NaN,
			);
		return {
			messagesPerSecond: this.#rate,
			qos: this.#qos,
			p50: at(0.5),
			p99: at(0.99),
			max: at(1),
			lost: this.#sent - sorted.length,
		};
	}
}

async function quiet(port: number, seconds: number): Promise<Latency[]> {
	const pairs = [10, 100].flatMap((rate) =>
		([0, 1] as const).map((qos) => new QuietPair(port, rate, qos)),
	);
	for (const pair of pairs) await pair.open();
	return Promise.all(pairs.map((pair) => pair.run(seconds)));
}

/** A publisher that writes whatever its socket takes. */
class Flood {
	readonly #connection: LoadConnection;
	readonly #frame: ReturnType<typeof publishFrame>;
	#sent = 0;
	#isOn = false;

	constructor(port: number, qos: 0 | 1) {
		const payload = Buffer.alloc(PAYLOAD_BYTES, 0x61);
		this.#frame = publishFrame(DISTURBED_TOPIC, qos, payload);
		this.#connection = new LoadConnection(
			port,
			() => {},
			() => this.#send(),
		);
	}

	prepare(): Promise<void> {
		return this.#connection.open("flood");
	}

	begin(): void {
		this.#isOn = true;
		this.#send();
	}

	get count(): number {
		return this.#sent;
	}

	#send(): void {
		const { frame, idOffset } = this.#frame;
		while (this.#isOn && !this.#connection.isBlocked) {
			this.#connection.send(frame, FLOOD_BURST, idOffset);
			this.#sent += FLOOD_BURST;
		}
	}
}

/** Who gets what a flood sends: a process of its own, or the flood would starve it. */
class Sink {
	readonly #connection: LoadConnection;
	readonly #qos: QoS;
	count = 0;

	constructor(port: number, qos: QoS) {
		this.#qos = qos;
		this.#connection = new LoadConnection(
			port,
			() => this.count++,
			() => {},
		);
	}

	async prepare(): Promise<void> {
		await this.#connection.open("flooded");
		await this.#connection.subscribe(DISTURBED_TOPIC, this.#qos);
	}

	begin(): void {}
}

/** A client that comes back to a queue of `messages`. */
class Drain {
	readonly #port: number;
	readonly #messages: number;
	#received = 0;

	constructor(port: number, messages: number) {
		this.#port = port;
		this.#messages = messages;
	}

	async prepare(): Promise<void> {
		const away = this.#connection(() => {});
		await away.open("away", false);
		await away.subscribe(DISTURBED_TOPIC, 1);
		await away.close();
		await this.#fill();
	}

	begin(): void {
		void this.#connection(() => this.#received++).open("away", false);
	}

	get count(): number {
		return this.#received;
	}

	#connection(onPublish: () => void, onProgress = () => {}): LoadConnection {
		return new LoadConnection(this.#port, onPublish, onProgress);
	}

	async #fill(): Promise<void> {
		const { frame, idOffset } = publishFrame(
			DISTURBED_TOPIC,
			1,
			Buffer.alloc(PAYLOAD_BYTES, 0x61),
		);
		let sent = 0;
		let onProgress = () => {};
		const source = this.#connection(
			() => {},
			() => onProgress(),
		);
		await source.open("source");
		await new Promise<void>((done) => {
			onProgress = () => {
				const room = PUBLISHER_WINDOW - source.inflight;
				const count = Math.min(room, this.#messages - sent);
				if (count > 0) source.send(frame, count, idOffset);
				sent += Math.max(0, count);
				if (sent === this.#messages && source.inflight === 0) done();
			};
			onProgress();
		});
		await source.close();
	}
}

async function disturb(order: FairnessOrder): Promise<Disturbed> {
	const one = disturber(order);
	await one.prepare();
	console.log("ready");
	await new Promise((resolve) => process.stdin.once("data", resolve));
	const begin = performance.now();
	one.begin();
	await new Promise((resolve) => process.stdin.once("end", resolve));
	return { count: one.count, seconds: (performance.now() - begin) / 1000 };
}

function disturber(order: FairnessOrder): Flood | Sink | Drain {
	switch (order.side) {
		case "flood":
			return new Flood(order.port, order.qos);
		case "sink":
			return new Sink(order.port, order.qos);
		case "drain":
			return new Drain(order.port, order.messages);
		default:
			throw new Error(`nothing disturbs as ${order.side}`);
	}
}

const order = JSON.parse(process.argv[2] ?? "{}") as FairnessOrder;
const said =
	order.side === "quiet"
		? await quiet(order.port, order.seconds)
		: await disturb(order);
console.log(JSON.stringify(said));
process.exit(0);
