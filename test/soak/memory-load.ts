/**
 * The loader of the memory test, a process of its own: publishes what its order says
 * as fast as the broker takes it, and keeps a crowd connected. Started by memory-run.ts;
 * answers each command when it is done.
 */
import {
	type Message,
	publishBytes,
	RawClient,
} from "../support/raw-client.ts";
import { connectCrowd, sourceAddress } from "../system/crowd.ts";
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
} from "./memory-order.ts";
import { answerCommands } from "./memory-process.ts";

const PUBLISHERS = 8;
const WINDOW = 900;
const BATCH = 50;
const PATIENCE_MS = 120_000;

const order = JSON.parse(process.argv[2] ?? "") as MemoryOrder;
let crowd: RawClient[] = [];
let heard = 0;

answerCommands({
	async crowd() {
		crowd = await connectCrowd(order.port, order.crowd, 50, "crowd");
		for (const [index, client] of crowd.entries()) {
			await client.subscribe(`crowd/${index}`, 1);
		}
		return `${crowd.length} connected`;
	},
	/** One message for each client of the crowd; all have to arrive. */
	async greet() {
		heard = crowd.reduce((sum, client) => sum + client.received, 0);
		const target = heard + crowd.length;
		await publishAll("greeter", crowd.length, (index, id) => ({
			topic: `crowd/${index}`,
			payload: Buffer.from(`hello ${index}`),
			id,
		}));
		for (const client of crowd) {
			const before = client.messages.length;
			await client.until(
				() => client.messages.length > 0 || before > 0,
				"a message for the crowd",
				PATIENCE_MS,
			);
			checkGreeting(client.messages.splice(0));
		}
		heard = crowd.reduce((sum, client) => sum + client.received, 0);
		if (heard !== target) throw new Error(`crowd heard ${heard} of ${target}`);
		return `${crowd.length} heard`;
	},
	async retain() {
		const each = Math.ceil(order.retainedTopics / PUBLISHERS);
		await inParallel(async (publisher) => {
			const from = publisher * each;
			const count = Math.max(0, Math.min(each, order.retainedTopics - from));
			await publishAll(`retainer-${publisher}`, count, (index, id) => {
				const payload = Buffer.allocUnsafe(RETAINED_BYTES);
				fillPayload(payload, RETAINED_SERIES, from + index);
				return {
					topic: retainedTopic(from + index),
					payload,
					id,
					retain: true,
				};
			});
		});
		return `${order.retainedTopics} retained`;
	},
	async queue() {
		const each = messagesFor(order);
		await inParallel(async (publisher) => {
			const queues = Array.from(
				{ length: order.absentClients },
				(_, queue) => queue,
			).filter((queue) => queue % PUBLISHERS === publisher);
			const count = queues.length * each;
			await publishAll(`publisher-${publisher}`, count, (index, id) => {
				const queue = queues[index % queues.length] ?? 0;
				const payload = Buffer.allocUnsafe(PAYLOAD_BYTES);
				fillPayload(payload, queue, Math.floor(index / queues.length));
				return { topic: queueTopic(queue), payload, id };
			});
		});
		return `${order.queuedMessages} published`;
	},
	/** Each connects once, subscribes and goes. */
	async sessions() {
		let next = 0;
		const worker = async () => {
			while (next < order.sessions) await visit(next++);
		};
		await Promise.all(Array.from({ length: 50 }, worker));
		return `${order.sessions} sessions made and left alone`;
	},
	/** A message for some of them. */
	async command() {
		const count = Math.floor(order.sessions / COMMAND_EACH);
		await publishAll("commander", count, (index, id) => ({
			topic: commandTopic(index * COMMAND_EACH),
			payload: Buffer.from(`command ${index * COMMAND_EACH}`),
			id,
		}));
		return `${count} commands published`;
	},
	async leave() {
		const lost = crowd.filter((client) => client.isClosed).length;
		for (const client of crowd) client.destroy();
		if (lost > 0) throw new Error(`${lost} of the crowd were disconnected`);
		return "left";
	},
});

function checkGreeting(messages: readonly Message[]): void {
	const [first] = messages;
	const words = `hello ${first?.topic.slice("crowd/".length)}`;
	if (messages.length !== 1 || first?.payload.toString() !== words) {
		throw new Error(`the crowd got ${messages.length} messages: ${words}`);
	}
}

async function visit(session: number): Promise<void> {
	const from = sourceAddress(session);
	const client = new RawClient({ port: order.port, from });
	await client.connect({ clientId: `device-${session}`, clean: false });
	await client.subscribe(commandTopic(session), 1);
	client.destroy();
}

async function inParallel(work: (publisher: number) => Promise<void>) {
	await Promise.all(
		Array.from({ length: PUBLISHERS }, (_, publisher) => work(publisher)),
	);
}

interface Outgoing {
	topic: string;
	payload: Buffer;
	id: number;
	retain?: boolean;
}

/** Publishes with QoS 1 and waits for all acknowledgements. */
async function publishAll(
	clientId: string,
	count: number,
	make: (index: number, id: number) => Outgoing,
): Promise<void> {
	const client = new RawClient({ port: order.port, from: sourceAddress(0) });
	await client.connect({ clientId });
	for (let sent = 0; sent < count; ) {
		const frames: Buffer[] = [];
		for (; frames.length < BATCH && sent < count; sent++) {
			const packet = make(sent, client.nextId());
			frames.push(publishBytes({ ...packet, qos: 1 }));
		}
		await client.push(Buffer.concat(frames));
		const target = sent;
		await client.until(
			() => target - client.acknowledged < WINDOW,
			`acknowledgement (${client.acknowledged} of ${target} sent)`,
			PATIENCE_MS,
		);
	}
	await client.until(
		() => client.acknowledged >= count,
		"the last acknowledgement",
		PATIENCE_MS,
	);
	client.destroy();
}
