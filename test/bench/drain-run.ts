/**
 * How fast a client is served live, and how fast it is served what waited while it was
 * away: the same client, window and payload, one after the other on one broker.
 */
import { LoadConnection, publishFrame } from "./load-connection.ts";

export interface DrainOrder {
	readonly port: number;
	/** `max_inflight_messages` of the broker. */
	readonly window: number;
	readonly payloadBytes: number;
	/** Delivered live, and then once more from the queue; each client. */
	readonly messages: number;
	/** That come back together. */
	readonly clients: number;
	/** Messages a second to others while the clients come back; 0 for none. */
	readonly besideRate: number;
}

export interface DrainFigures {
	/** Messages a second, of all clients together. */
	readonly liveRate: number;
	readonly queueRate: number;
	/** From CONNECT to the last message. */
	readonly drainRate: number;
	/** Messages that came out of order, twice or never. */
	readonly mistakes: number;
	/** Milliseconds by which messages to others were late while the clients came back; the worst. */
	readonly besideWorstMs: number;
}

const TOPIC = "drain/0000";
const PUBLISHER_WINDOW = 1000;
/** In the payload: the message's number, then the time at which it was due. */
const NUMBER_AT = 0;
const TIME_AT = 8;

export async function measureDrain(order: DrainOrder): Promise<DrainFigures> {
	const clients = Array.from(
		{ length: order.clients },
		(_, index) => new Returning(order, index),
	);
	const publisher = new Source(order);
	await publisher.open();
	for (const client of clients) {
		await client.connect();
		await client.subscribe();
	}
	const live = await timed(() => publishLive(publisher, clients, order));
	for (const client of clients) await client.leave();
	const queued = await timed(() => publisher.publishAll(order.messages));
	const beside = order.besideRate > 0 ? await Beside.start(order) : null;
	const drained = await timed(() =>
		Promise.all(
			clients.map(async (client) => {
				await client.connect();
				await client.receiveAll();
			}),
		),
	);
	const besideWorstMs = (await beside?.stop()) ?? 0;
	for (const client of clients) await client.leave();
	await publisher.connection.close();
	const total = order.messages * order.clients;
	return {
		liveRate: total / live,
		queueRate: order.messages / queued,
		drainRate: total / drained,
		mistakes: clients.reduce((sum, { mistakes }) => sum + mistakes, 0),
		besideWorstMs,
	};
}

/** @returns seconds */
async function timed(work: () => Promise<unknown>): Promise<number> {
	const begin = performance.now();
	await work();
	return (performance.now() - begin) / 1000;
}

/** Half a window under way, as acknowledgements are too: nothing waits in a queue. */
async function publishLive(
	publisher: Source,
	clients: readonly Returning[],
	{ window, messages }: DrainOrder,
): Promise<void> {
	const goOn = () => {
		const received = Math.min(...clients.map((client) => client.received));
		publisher.send(
			Math.min(
				messages - publisher.sent,
				window / 2 - publisher.sent + received,
			),
		);
	};
	for (const client of clients) client.onProgress = goOn;
	goOn();
	await Promise.all(clients.map((client) => client.receiveAll()));
	for (const client of clients) client.onProgress = () => {};
	await publisher.acknowledged();
}

/** The publisher. */
class Source {
	readonly connection: LoadConnection;
	sent = 0;
	readonly #frame: ReturnType<typeof publishFrame>;
	#onProgress: () => void = () => {};

	constructor({ port, payloadBytes }: DrainOrder) {
		const payload = Buffer.alloc(Math.max(16, payloadBytes), 0x61);
		this.#frame = publishFrame(TOPIC, 1, payload);
		this.connection = new LoadConnection(
			port,
			() => {},
			() => this.#onProgress(),
		);
	}

	open(): Promise<void> {
		return this.connection.open("source");
	}

	send(count: number): void {
		const { frame, idOffset, payloadOffset } = this.#frame;
		for (let left = count; left > 0; left--) {
			frame.writeDoubleBE(this.sent++, payloadOffset + NUMBER_AT);
			this.connection.send(frame, 1, idOffset);
		}
	}

	async publishAll(messages: number): Promise<void> {
		const last = this.sent + messages;
		await this.#until(() => {
			const room = PUBLISHER_WINDOW - this.connection.inflight;
			if (!this.connection.isBlocked)
				this.send(Math.min(room, last - this.sent));
			return this.sent === last && this.connection.inflight === 0;
		});
	}

	acknowledged(): Promise<void> {
		return this.#until(() => this.connection.inflight === 0);
	}

	#until(condition: () => boolean): Promise<void> {
		return new Promise((done) => {
			this.#onProgress = () => {
				if (condition()) done();
			};
			this.#onProgress();
		});
	}
}

/** A client that leaves and comes back. */
class Returning {
	received = 0;
	mistakes = 0;
	onProgress: () => void = () => {};
	readonly #order: DrainOrder;
	readonly #clientId: string;
	#connection: LoadConnection | null = null;
	#expected = 0;
	#onAll: () => void = () => {};

	constructor(order: DrainOrder, index: number) {
		this.#order = order;
		this.#clientId = `returning-${index}`;
	}

	async connect(): Promise<void> {
		this.#expected += this.#order.messages;
		this.#connection = new LoadConnection(
			this.#order.port,
			(bytes, payloadAt) => this.#take(bytes, payloadAt),
			() => this.onProgress(),
		);
		await this.#connection.open(this.#clientId, false);
	}

	async subscribe(): Promise<void> {
		await this.#connection?.subscribe(TOPIC, 1);
	}

	receiveAll(): Promise<void> {
		return new Promise((done) => {
			this.#onAll = done;
			if (this.received >= this.#expected) done();
		});
	}

	async leave(): Promise<void> {
		await this.#connection?.close();
	}

	#take(bytes: Buffer, payloadAt: number): void {
		const number = bytes.readDoubleBE(payloadAt + NUMBER_AT);
		if (number !== this.received) this.mistakes++;
		this.received++;
		if (this.received === this.#expected) this.#onAll();
	}
}

/** Live traffic at a fixed rate that has nothing to do with the clients that come back. */
class Beside {
	readonly #connection: LoadConnection;
	#worstMs = 0;
	#timer: NodeJS.Timeout | undefined;

	private constructor(port: number) {
		this.#connection = new LoadConnection(
			port,
			(bytes, payloadAt) => {
				const dueMs = bytes.readDoubleBE(payloadAt + TIME_AT);
				this.#worstMs = Math.max(this.#worstMs, performance.now() - dueMs);
			},
			() => {},
		);
	}

	static async start({ port, besideRate }: DrainOrder): Promise<Beside> {
		const beside = new Beside(port);
		const topic = "other/0000";
		await beside.#connection.open("beside", false);
		await beside.#connection.subscribe(topic, 1);
		const { frame, idOffset, payloadOffset } = publishFrame(
			topic,
			1,
			Buffer.alloc(64),
		);
		const begin = performance.now();
		let sent = 0;
		beside.#timer = setInterval(() => {
			const now = performance.now();
			for (;;) {
				const dueMs = begin + (sent * 1000) / besideRate;
				if (dueMs > now) return;
				sent++;
				frame.writeDoubleBE(dueMs, payloadOffset + TIME_AT);
				beside.#connection.send(frame, 1, idOffset);
			}
		}, 1);
		return beside;
	}

	async stop(): Promise<number> {
		clearInterval(this.#timer);
		await this.#connection.destroy();
		return this.#worstMs;
	}
}
