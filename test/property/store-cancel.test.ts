/**
 * Queue entries that may be taken back, against a model: messages for several queues,
 * acknowledgements, lost connections, commits, time and lost power in any order. What a
 * publisher was told to be safe is on disk or was acknowledged, and a queue on disk has
 * no gaps.
 */
import fc from "fast-check";
import t from "tap";
import { CommitTicket } from "../../src/store/commit-ticket.ts";
import { DeliveryPhase, QueuePart } from "../../src/store/store.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { HandDisk } from "../support/hand-disk.ts";
import { entry, message } from "../support/store-fixtures.ts";
import { turns } from "../unit/session/hand-store.ts";

const RUNS = Number(process.env.PROPERTY_RUNS ?? 100);
const KEYS = [1, 2, 3];
const key = fc.constantFrom(...KEYS);

const step = fc.oneof(
	{
		weight: 5,
		arbitrary: fc.record({
			do: fc.constant("publish" as const),
			keys: fc.uniqueArray(key, { minLength: 1 }),
			offline: key,
		}),
	},
	{
		weight: 5,
		arbitrary: fc.record({
			do: fc.constant("acknowledge" as const),
			key,
			index: fc.constantFrom(0, 0, 0, 1, 2),
		}),
	},
	fc.record({ do: fc.constant("detach" as const), key }),
	{
		weight: 3,
		arbitrary: fc.record({
			do: fc.constant("work" as const),
			count: fc.integer({ min: 1, max: 3 }),
		}),
	},
	fc.record({
		do: fc.constant("wait" as const),
		ms: fc.constantFrom(10, 30, 60),
	}),
	fc.record({ do: fc.constant("turn" as const) }),
	fc.record({ do: fc.constant("crash" as const) }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

class Safe extends CommitTicket {
	isSafe = false;

	protected override onDurable(): void {
		this.isSafe = true;
	}
}

interface Row {
	readonly sequence: number;
	readonly payload: string;
	readonly ticket: Safe;
	isAcknowledged: boolean;
	isMarked: boolean;
}

class Model {
	readonly disk: HandDisk;
	readonly clock = new FakeClock();
	readonly queues = new Map<number, Row[]>(KEYS.map((key) => [key, []]));
	#published = 0;

	constructor() {
		this.disk = new HandDisk({
			clock: this.clock,
			commitIntervalMs: 50,
			lazyIntervalMs: 500,
		});
	}

	queue(key: number): Row[] {
		return this.queues.get(key) ?? [];
	}

	publish(keys: readonly number[], offline: number): void {
		const ticket = new Safe();
		ticket.hold();
		const payload = `${++this.#published}`;
		const given = message("a", payload);
		for (const key of keys) {
			const queue = this.queue(key);
			const sequence = (queue.at(-1)?.sequence ?? 0) + 1;
			const isOnline = key !== offline;
			queue.push({
				sequence,
				payload,
				ticket,
				isAcknowledged: false,
				isMarked: false,
			});
			const { store } = this.disk;
			store.enqueue(key, sequence, given, entry(), 0, ticket, isOnline);
		}
		ticket.settle();
	}

	acknowledge(key: number, index: number): void {
		const waiting = this.queue(key).filter((row) => !row.isAcknowledged);
		const row = waiting[index];
		if (row === undefined) return;
		row.isAcknowledged = true;
		this.disk.store.dequeue(key, row.sequence, null);
	}

	detach(key: number): void {
		for (const row of this.queue(key)) {
			if (row.isAcknowledged || row.isMarked) continue;
			row.isMarked = true;
			this.disk.store.markSent(key, row.sequence, row.sequence, null);
		}
	}

	async read(key: number): Promise<[number, string, number][]> {
		const { store } = this.disk;
		const page = await store.readQueue(key, -1, 1000, 1e6, QueuePart.All);
		return page.messages.map(({ sequence, message, phase }) => [
			sequence,
			message.payload.toString(),
			phase,
		]);
	}

	/** Everybody is gone; what is on disk is what counts from now on. */
	async crash(): Promise<void> {
		await this.disk.restart().open();
		for (const key of KEYS) {
			const rows = await this.read(key);
			const found = new Map(rows.map((row) => [row[0], row]));
			const queue = this.queue(key);
			for (const row of queue) {
				const { sequence, payload, isAcknowledged, ticket } = row;
				const onDisk = found.get(sequence)?.[1];
				if (onDisk !== undefined && onDisk !== payload)
					throw new Error(`${key}/${sequence} is ${onDisk}, not ${payload}`);
				if (onDisk !== undefined || isAcknowledged) continue;
				if (ticket.isSafe) throw new Error(`${key}/${sequence} is lost`);
				const later = [...found.keys()].find((each) => each > sequence);
				if (later !== undefined)
					throw new Error(`${key}/${later} is there without ${sequence}`);
			}
			const left = queue.flatMap(({ sequence, payload }) => {
				const row = found.get(sequence);
				if (row === undefined) return [];
				const isMarked = row[2] === DeliveryPhase.Sent;
				const ticket = new Safe(); // whether it was told to anybody or not
				ticket.isSafe = true;
				return { sequence, payload, ticket, isAcknowledged: false, isMarked };
			});
			this.queues.set(key, left);
		}
		this.disk.hold();
	}

	async check(): Promise<void> {
		this.disk.release();
		for (const key of KEYS) {
			const expected = this.queue(key).filter((row) => !row.isAcknowledged);
			const found = await this.read(key);
			const rows = expected.map(({ sequence, payload, isMarked }) => [
				sequence,
				payload,
				isMarked ? DeliveryPhase.Sent : DeliveryPhase.Queued,
			]);
			if (JSON.stringify(found) !== JSON.stringify(rows))
				throw new Error(`queue ${key}: ${found}, not ${rows}`);
		}
		await turns();
		for (const row of [...this.queues.values()].flat())
			if (!row.ticket.isSafe) throw new Error(`${row.payload} waits for ever`);
		const { pendingBytes } = this.disk.store.counters;
		if (pendingBytes !== 0) throw new Error(`${pendingBytes} bytes wait`);
	}
}

async function run(steps: readonly Step[]): Promise<void> {
	const model = new Model();
	await model.disk.store.open();
	model.disk.hold();
	for (const step of steps) {
		if (step.do === "publish") model.publish(step.keys, step.offline);
		else if (step.do === "acknowledge") model.acknowledge(step.key, step.index);
		else if (step.do === "detach") model.detach(step.key);
		else if (step.do === "wait") await model.clock.advanceAsync(step.ms);
		else if (step.do === "turn") await turns(2);
		else if (step.do === "crash") await model.crash();
		else
			for (let i = 0; i < step.count; i++) {
				await turns(2);
				model.disk.stepNow();
			}
	}
	await model.check();
	await model.disk.store.close();
}

t.test(
	"what a publisher was told to be safe survives, whatever was taken back before",
	{ timeout: 60_000 },
	async () => {
		await fc.assert(
			fc.asyncProperty(
				fc.array(step, { minLength: 5, maxLength: 80, size: "max" }),
				run,
			),
			{ numRuns: RUNS },
		);
	},
);
