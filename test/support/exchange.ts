/**
 * Persistent clients that are all online and send each other QoS 1 messages at a steady
 * rate, acknowledging what they get after a while. What a flash card has to bear then is
 * the question.
 */
import { publishBytes, RawClient } from "./raw-client.ts";

export interface ExchangeOptions {
	readonly port: number;
	/** A name of its own for each exchange with one broker. */
	readonly name: string;
	readonly clients: number;
	/** Of all clients together. */
	readonly messagesPerSecond: number;
	readonly seconds: number;
	/** How long a client takes to acknowledge a message. */
	readonly lateMs: number;
	readonly payloadBytes: number;
}

export interface ExchangeResult {
	readonly messages: number;
	/** From PUBLISH to PUBACK, as the publishers saw it. */
	readonly latenciesMs: readonly number[];
	/** Of the traffic alone, without setting up. */
	readonly elapsedMs: number;
}

/** How long the last acknowledgements may take. */
const END_MS = 20_000;

export class Exchange {
	readonly #options: ExchangeOptions;
	readonly #clients: Array<{
		readonly client: RawClient;
		/** When each message was sent, by packet id. */
		readonly sentAtMs: Map<number, number>;
	}> = [];
	readonly #latenciesMs: number[] = [];

	constructor(options: ExchangeOptions) {
		this.#options = options;
	}

	async connect(): Promise<void> {
		const numbers = Array.from({ length: this.#options.clients }, (_, i) => i);
		await Promise.all(numbers.map((number) => this.#join(number)));
	}

	async #join(number: number): Promise<void> {
		const { port, name, lateMs } = this.#options;
		const sentAtMs = new Map<number, number>();
		const client: RawClient = new RawClient({
			port,
			acknowledges: lateMs === 0,
			onMessage: (message) => {
				if (lateMs > 0) setTimeout(() => client.answer(message), lateMs);
			},
			onAcknowledged: (id) => {
				const ms = performance.now() - (sentAtMs.get(id) ?? 0);
				this.#latenciesMs.push(ms);
			},
		});
		this.#clients.push({ client, sentAtMs });
		await client.connect({ clientId: `${name}-${number}`, clean: false });
		await client.subscribe(`${name}/to/${number}`, 1);
	}

	/** Resolves when the last message is acknowledged to its publisher. */
	async run(): Promise<ExchangeResult> {
		const { name, messagesPerSecond, seconds, payloadBytes } = this.#options;
		const messages = messagesPerSecond * seconds;
		const payload = Buffer.alloc(payloadBytes, "x");
		const startMs = performance.now();
		for (let i = 0; i < messages; i++) {
			const dueMs = startMs + (i * 1000) / messagesPerSecond;
			const leftMs = dueMs - performance.now();
			if (leftMs > 0) await new Promise((done) => setTimeout(done, leftMs));
			const publisher = this.#clients[i % this.#clients.length];
			if (publisher === undefined) break;
			const { client, sentAtMs } = publisher;
			const id = client.nextId();
			sentAtMs.set(id, performance.now());
			const topic = `${name}/to/${(i * 7 + 3) % this.#clients.length}`;
			client.send(publishBytes({ topic, payload, qos: 1, id }));
		}
		const elapsedMs = performance.now() - startMs;
		await this.#answered(messages);
		return { messages, latenciesMs: this.#latenciesMs, elapsedMs };
	}

	/** Clients go, their sessions stay. */
	async end(): Promise<void> {
		await Promise.all(this.#clients.map(({ client }) => client.disconnect()));
	}

	async #answered(messages: number): Promise<void> {
		const untilMs = performance.now() + END_MS;
		while (this.#latenciesMs.length < messages) {
			if (performance.now() > untilMs)
				throw new Error(
					`${messages - this.#latenciesMs.length} messages were not acknowledged`,
				);
			await new Promise((done) => setTimeout(done, 20));
		}
	}
}
