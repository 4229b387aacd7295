import { join } from "node:path";
import fc from "fast-check";
import t from "tap";
import { systemClock } from "../../src/platform/clock.ts";
import { matches } from "../../src/protocol/topic.ts";
import type { QueuePage, Store } from "../../src/store/store.ts";
import { QueuePart } from "../../src/store/store.ts";
import { StoreClient } from "../../src/store/store-client.ts";
import { LateStore } from "../support/late-store.ts";
import {
	allRetained,
	allSessions,
	committed,
	entry,
	message,
	session,
} from "../support/store-fixtures.ts";

/** Random rows of operations against a model that is as simple as can be, with reopening. */

const key = fc.integer({ min: 1, max: 3 });
/** Lane -> its session. The first two are found by topic. */
const sessionOfLane = new Map([
	[11, 1],
	[12, 2],
	[13, 1],
]);
const lane = fc.constantFrom(...sessionOfLane.keys());
const queue = fc.oneof(key, lane);
const sequence = fc.integer({ min: 1, max: 12 });
const topic = fc.constantFrom("a", "a/b", "a/b/c", "b", "$SYS/x", "a-b");
const payload = fc.string({ maxLength: 12 });
const filters = ["#", "a/#", "a/+", "+", "+/b/#", "a/b", "$SYS/#"];

const step = fc.oneof(
	fc.record({ do: fc.constant("session" as const), key }),
	fc.record({ do: fc.constant("end" as const), key }),
	fc.record({
		do: fc.constant("enqueue" as const),
		keys: fc.uniqueArray(queue, { minLength: 1 }),
		topic,
		payload,
	}),
	fc.record({ do: fc.constant("lane" as const), key: lane }),
	fc.record({ do: fc.constant("endLane" as const), key: lane }),
	fc.record({
		do: fc.constant("replace" as const),
		key: fc.constantFrom(11, 12),
		topic,
		payload,
	}),
	fc.record({ do: fc.constant("sent" as const), key: queue, sequence }),
	fc.record({ do: fc.constant("released" as const), key: queue, sequence }),
	fc.record({
		do: fc.constant("dequeue" as const),
		key: queue,
		sequence,
		count: fc.integer({ min: 1, max: 6 }),
	}),
	fc.record({
		do: fc.constant("retain" as const),
		topic,
		payload,
		lazy: fc.boolean(),
	}),
	fc.record({ do: fc.constant("forget" as const), topic, lazy: fc.boolean() }),
	fc.record({ do: fc.constant("turn" as const) }),
	fc.record({ do: fc.constant("commit" as const) }),
	fc.record({ do: fc.constant("reopen" as const) }),
	fc.record({
		do: fc.constant("look" as const),
		key: queue,
		filter: fc.constantFrom(...filters),
	}),
);
type ModelStep = typeof step extends fc.Arbitrary<infer S> ? S : never;

interface ModelRow {
	topic: string;
	payload: string;
	phase: number;
}

class Model {
	readonly sessions = new Set<number>();
	readonly queues = new Map<number, Map<number, ModelRow>>();
	readonly last = new Map<number, number>();
	readonly lanes = new Set<number>();
	readonly retained = new Map<string, string>();

	/** A lane takes messages only when it was made. */
	takes(key: number): boolean {
		return !sessionOfLane.has(key) || this.lanes.has(key);
	}

	endQueue(key: number): void {
		this.lanes.delete(key);
		this.queues.delete(key);
		this.last.delete(key);
	}

	next(key: number): number {
		const next = (this.last.get(key) ?? 0) + 1;
		this.last.set(key, next);
		return next;
	}

	queue(key: number): Map<number, ModelRow> {
		const queue = this.queues.get(key) ?? new Map<number, ModelRow>();
		this.queues.set(key, queue);
		return queue;
	}
}

function write(store: Store, model: Model, step: ModelStep): void {
	switch (step.do) {
		case "session":
			model.sessions.add(step.key);
			store.putSession(session(step.key), null);
			return;
		case "end":
			model.sessions.delete(step.key);
			model.endQueue(step.key);
			for (const [lane, session] of sessionOfLane)
				if (session === step.key) model.endQueue(lane);
			store.deleteSession(step.key, null);
			return;
		case "enqueue": {
			const given = message(step.topic, step.payload);
			for (const key of step.keys.filter((key) => model.takes(key))) {
				const next = model.next(key);
				const { topic, payload } = step;
				model.queue(key).set(next, { topic, payload, phase: 0 });
				store.enqueue(key, next, given, entry(), 0, null);
			}
			return;
		}
		case "lane": {
			const session = sessionOfLane.get(step.key) ?? 0;
			// A lane of no session would be nobody's.
			if (!model.sessions.has(session)) return;
			model.lanes.add(step.key);
			const isByTopic = step.key <= 12;
			const name = `lane ${step.key}`;
			store.lanes.put({ key: step.key, session, name, isByTopic }, null);
			return;
		}
		case "endLane":
			model.endQueue(step.key);
			store.lanes.delete(step.key, null);
			return;
		case "replace": {
			const { key, topic, payload } = step;
			if (!model.takes(key)) return;
			const rows = model.queue(key);
			for (const [sequence, row] of [...rows])
				if (row.topic === topic && row.phase === 0) rows.delete(sequence);
			const next = model.next(key);
			rows.set(next, { topic, payload, phase: 0 });
			const given = message(topic, payload);
			store.lanes.replace(key, next, given, entry(), 0, null);
			return;
		}
		case "sent":
		case "released": {
			const row = model.queue(step.key).get(step.sequence);
			if (row !== undefined) row.phase = step.do === "sent" ? 1 : 2;
			if (step.do === "sent") store.markSent(step.key, step.sequence, 1, null);
			else store.markReleased(step.key, step.sequence, null);
			return;
		}
		case "dequeue":
			for (let at = step.sequence; at < step.sequence + step.count; at++) {
				// Only what was given can be taken out: a sequence is never used twice.
				if (at > (model.last.get(step.key) ?? 0)) return;
				model.queue(step.key).delete(at);
				store.dequeue(step.key, at, null);
			}
			return;
		case "retain":
			model.retained.set(step.topic, step.payload);
			store.putRetained(message(step.topic, step.payload), 0, step.lazy, null);
			return;
		case "forget":
			model.retained.delete(step.topic);
			store.deleteRetained(step.topic, step.lazy, null);
			return;
	}
}

function ownerOf(lane: number): number {
	return sessionOfLane.get(lane) ?? 0;
}

function bytesOf(queue: ReadonlyMap<number, ModelRow>): number {
	let bytes = 0;
	for (const { topic, payload } of queue.values())
		bytes += topic.length + Buffer.byteLength(payload);
	return bytes;
}

function wordsOf([sequence, row]: readonly [number, ModelRow]): unknown[] {
	return [sequence, row.phase, row.topic, row.payload];
}

function inWords({ messages }: QueuePage): unknown[][] {
	return messages.map(({ sequence, phase, message }) => [
		sequence,
		phase,
		message.topic,
		message.payload.toString(),
	]);
}

async function check(
	store: Store,
	model: Model,
	key: number,
	filter: string,
): Promise<void> {
	const sessions = await allSessions(store);
	t.strictSame(
		sessions.map((row) => [row.key, row.queuedMessages, row.lastSequence]),
		[...model.sessions]
			.sort()
			.map((key) => [key, model.queue(key).size, model.last.get(key) ?? 0]),
	);
	t.strictSame(
		sessions.flatMap((row) => row.lanes),
		[...model.lanes]
			.sort((a, b) => a - b)
			.toSorted((a, b) => ownerOf(a) - ownerOf(b))
			.map((lane) => ({
				key: lane,
				session: ownerOf(lane),
				name: `lane ${lane}`,
				isByTopic: lane <= 12,
				queuedMessages: model.queue(lane).size,
				queuedBytes: bytesOf(model.queue(lane)),
				lastSequence: model.last.get(lane) ?? 0,
			})),
	);
	const page = await store.readQueue(key, -1, 1000, 1e6, QueuePart.All);
	const rows = [...model.queue(key)].sort(([a], [b]) => a - b);
	t.strictSame(inWords(page), rows.map(wordsOf));
	if (model.lanes.has(key) && key <= 12)
		for (const topic of ["a", "a/b"]) {
			const page = await store.lanes.readTopic(key, topic, 2, 1000, 1e6);
			const found = rows.filter(([at, row]) => at > 2 && row.topic === topic);
			t.strictSame(inWords(page), found.map(wordsOf));
		}
	const saved = sessions.find((row) => row.key === key);
	if (saved !== undefined)
		t.equal(saved.queuedBytes, bytesOf(model.queue(key)));
	const retained = await allRetained(store, filter);
	t.strictSame(
		new Map(
			retained.map(({ message }) => [
				message.topic,
				message.payload.toString(),
			]),
		),
		new Map([...model.retained].filter(([topic]) => matches(filter, topic))),
	);
}

async function run(
	steps: readonly ModelStep[],
	first: Store,
	reopen: (store: Store) => Promise<Store>,
): Promise<boolean> {
	let store = first;
	const model = new Model();
	for (const step of steps) {
		if (step.do === "turn") await new Promise(setImmediate);
		else if (step.do === "commit") await committed(store);
		else if (step.do === "reopen") store = await reopen(store);
		else if (step.do === "look")
			await check(store, model, step.key, step.filter);
		else write(store, model, step);
	}
	store = await reopen(store);
	for (const key of [1, 2, 3, 11, 12, 13]) await check(store, model, key, "#");
	await store.close();
	return t.passing();
}

const rows = fc.array(step, { minLength: 5, maxLength: 60 });
/** On a slow card the rest of the runs pass unlooked at: an interrupted one would lose its folder. */
const ENOUGH_MS = 6000;

t.test("a store on a file does what the model does", async (t) => {
	const folder = t.testdir();
	const start = performance.now();
	let runs = 0;
	await fc.assert(
		fc.asyncProperty(rows, async (steps) => {
			if (performance.now() - start > ENOUGH_MS) return true;
			const path = join(folder, `${runs++}.db`);
			const open = async () => {
				const store = new StoreClient({
					path,
					clock: systemClock,
					commitIntervalMs: 20,
					lazyIntervalMs: 5,
					onFatal: (error) => t.fail(error.message),
					onTrouble: (words) => t.fail(words),
				});
				await store.open();
				return store;
			};
			return run(steps, await open(), async (store) => {
				await store.close();
				return open();
			});
		}),
		{ numRuns: 25 },
	);
});

t.test("a late store does what the model does", async () => {
	await fc.assert(
		fc.asyncProperty(rows, fc.integer(), (steps, seed) =>
			run(steps, new LateStore({ maxDelayMs: 0, seed }), async (store) => {
				await committed(store);
				return (store as LateStore).restart();
			}),
		),
		{ numRuns: 100 },
	);
});
