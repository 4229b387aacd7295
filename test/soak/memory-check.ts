/**
 * The checker of the memory test, a process of its own: owns the clients that are away
 * and the slow reader, and compares every message that they get with what it has to be.
 * Order, number and content count; the loader is asked nothing.
 */
import { type Message, RawClient } from "../support/raw-client.ts";
import { sourceAddress } from "../system/crowd.ts";
import {
	COMMAND_EACH,
	commandTopic,
	fillPayload,
	type MemoryOrder,
	messagesFor,
	PAYLOAD_BYTES,
	queueTopic,
	RETAINED_BYTES,
	RETAINED_SERIES,
	retainedTopic,
	SLOW_CLIENT,
} from "./memory-order.ts";
import { answerCommands } from "./memory-process.ts";

/** The slow reader takes this many messages, then nothing for a while. */
const SLOW_MESSAGES = 64;
const SLOW_PAUSE_MS = 100;
const RETURNING_AT_ONCE = 10;
/** Without any message for so long, something is lost. */
const SILENCE_MS = 60_000;

const order = JSON.parse(process.argv[2] ?? "") as MemoryOrder;
const expected = {
	queued: Buffer.alloc(PAYLOAD_BYTES),
	retained: Buffer.alloc(RETAINED_BYTES),
};
let slow: SlowReader;
let deaf: RawClient;

answerCommands({
	async prepare() {
		await forEach(order.absentClients, order.absentClients, async (queue) => {
			const client = await connect(`absent-${queue}`, () => {});
			await client.subscribe(queueTopic(queue), 1);
			await leave(client);
		});
		slow = new SlowReader();
		await slow.start();
		deaf = new RawClient({ port: order.port, onMessage: () => {} });
		await deaf.connect({ clientId: "slow-qos0" });
		await deaf.subscribe("#", 0);
		deaf.pause();
		return `${order.absentClients} away, '#' read slowly`;
	},
	async absent() {
		await forEach(order.absentClients, RETURNING_AT_ONCE, checkQueue);
		return `${order.absentClients} clients got ${messagesFor(order)} messages each, in order`;
	},
	async slow() {
		slow.hurry();
		return await slow.result();
	},
	/** Sessions are still there, with their filters and their commands. */
	async commands() {
		const count = Math.floor(order.sessions / COMMAND_EACH);
		await forEach(count, RETURNING_AT_ONCE, (i) =>
			checkCommand(i * COMMAND_EACH),
		);
		return `${count} of them got their command`;
	},
	async retained() {
		const seen = new Uint8Array(order.retainedTopics);
		let count = 0;
		const client = await connect("retained-reader", (message) => {
			const index = message.payload.readUInt32BE(4);
			checkRetained(message, index);
			if (!message.retain) throw new Error(`${message.topic} is not retained`);
			if (seen[index] === 1) throw new Error(`${message.topic} came twice`);
			seen[index] = 1;
			count++;
		});
		await client.subscribe("site/#", 1);
		await untilCount(client, () => count, order.retainedTopics, "retained");
		await leave(client);
		return `${count} retained topics, each once`;
	},
});

/** Takes everything, at first a little at a time. */
class SlowReader {
	/** By queue: the number of the next message. */
	readonly #next = new Uint32Array(order.absentClients);
	readonly #retained = new Uint8Array(order.retainedTopics);
	#client: RawClient | null = null;
	#count = 0;
	#isSlow = true;
	#sinceRest = 0;

	async start(): Promise<void> {
		this.#client = await connect(SLOW_CLIENT, (message) => this.#take(message));
		await this.#client.subscribe("#", 1);
	}

	hurry(): void {
		this.#isSlow = false;
		this.#client?.resume();
	}

	async result(): Promise<string> {
		const total =
			messagesFor(order) * order.absentClients + order.retainedTopics;
		if (this.#client === null) throw new Error("not started");
		await untilCount(this.#client, () => this.#count, total, "for '#'");
		await leave(this.#client);
		return `the slow reader got all ${total} messages, each topic in order`;
	}

	#take(message: Message): void {
		if (message.topic.startsWith("queue/")) this.#takeQueued(message);
		else if (message.topic.startsWith("site/")) this.#takeRetained(message);
		if (!this.#isSlow || ++this.#sinceRest < SLOW_MESSAGES) return;
		this.#sinceRest = 0;
		this.#client?.pause();
		setTimeout(() => this.#client?.resume(), SLOW_PAUSE_MS);
	}

	#takeQueued(message: Message): void {
		const queue = Number(message.topic.slice("queue/".length));
		checkQueued(message, queue, this.#next[queue] ?? 0);
		this.#next[queue] = (this.#next[queue] ?? 0) + 1;
		this.#count++;
	}

	#takeRetained(message: Message): void {
		const index = message.payload.readUInt32BE(4);
		checkRetained(message, index);
		if (this.#retained[index] === 1)
			throw new Error(`${message.topic} came twice to the slow reader`);
		this.#retained[index] = 1;
		this.#count++;
	}
}

/** Does something for 0 to `count` - 1, some at a time. */
async function forEach(
	count: number,
	atATime: number,
	act: (index: number) => Promise<void>,
): Promise<void> {
	let next = 0;
	const worker = async () => {
		while (next < count) await act(next++);
	};
	await Promise.all(Array.from({ length: atATime }, worker));
}

async function checkCommand(session: number): Promise<void> {
	const got: string[] = [];
	const client = await connect(`device-${session}`, (message) =>
		got.push(`${message.topic} ${message.payload}`),
	);
	if (!client.sessionPresent)
		throw new Error(`device-${session} has no session`);
	await untilCount(client, () => got.length, 1, `for device-${session}`);
	await client.ping();
	const expected = `${commandTopic(session)} command ${session}`;
	if (got.join() !== expected)
		throw new Error(`expected "${expected}", got "${got.join()}"`);
	await leave(client);
}

async function checkQueue(queue: number): Promise<void> {
	const total = messagesFor(order);
	let next = 0;
	const client = await connect(`absent-${queue}`, (message) => {
		if (message.topic !== queueTopic(queue))
			throw new Error(`absent-${queue} got a message of ${message.topic}`);
		checkQueued(message, queue, next++);
	});
	if (!client.sessionPresent) throw new Error(`absent-${queue} has no session`);
	await untilCount(client, () => next, total, `of queue ${queue}`);
	await client.ping();
	if (next !== total)
		throw new Error(`absent-${queue} got ${next} instead of ${total}`);
	await leave(client);
}

function checkQueued(message: Message, queue: number, number: number): void {
	fillPayload(expected.queued, queue, number);
	if (message.dup || !message.payload.equals(expected.queued)) {
		const got = message.payload.readUInt32BE(4);
		throw new Error(
			`queue ${queue}: expected message ${number}, got ${got}${message.dup ? " again" : ""}`,
		);
	}
}

function checkRetained(message: Message, index: number): void {
	fillPayload(expected.retained, RETAINED_SERIES, index);
	const isRight =
		message.topic === retainedTopic(index) &&
		message.payload.equals(expected.retained);
	if (!isRight) throw new Error(`wrong retained message for ${message.topic}`);
}

function connect(
	clientId: string,
	onMessage: (message: Message) => void,
): Promise<RawClient> {
	let isCorked = false;
	const client = new RawClient({
		port: order.port,
		from: sourceAddress(1),
		onMessage: (message) => {
			onMessage(message);
			if (isCorked) return;
			// Acknowledgements of one read leave together.
			isCorked = true;
			client.socket.cork();
			process.nextTick(() => {
				isCorked = false;
				client.socket.uncork();
			});
		},
	});
	return client.connect({ clientId, clean: false }).then(() => client);
}

/** Lets the last acknowledgements leave. */
async function leave(client: RawClient): Promise<void> {
	await client.ping();
	client.destroy();
}

async function untilCount(
	client: RawClient,
	count: () => number,
	total: number,
	what: string,
): Promise<void> {
	while (count() < total) {
		const before = count();
		await client.until(
			() => count() > before,
			`message ${what} after ${before} of ${total}`,
			SILENCE_MS,
		);
	}
}

process.on("uncaughtException", (error) => {
	process.send?.({ words: error.message, failed: true });
});
