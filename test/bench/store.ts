import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/platform/clock.ts";
import { StoreClient } from "../../src/store/store-client.ts";
import {
	allRetained,
	committed,
	entry,
	message,
} from "../support/store-fixtures.ts";
import { figure } from "./micro-report.ts";

/**
 * Durable rows a second through the whole store, and what a row costs the main thread.
 *
 *     node test/bench/store.ts [folder on the disk to measure]
 */

const ROWS = 20_000;
const folder = mkdtempSync(join(process.argv[2] ?? tmpdir(), "store-bench-"));

for (const rowsPerBatch of [1, 10, 100, 1000])
	for (const queues of [1, 100]) await run(rowsPerBatch, queues);
await retained(20_000);
rmSync(folder, { recursive: true });

async function openStore(name: string): Promise<StoreClient> {
	const store = new StoreClient({
		path: join(folder, name),
		clock: systemClock,
		commitIntervalMs: 20,
		lazyIntervalMs: 5000,
		onFatal: (error) => {
			throw error;
		},
		onTrouble: (words) => console.error(words),
	});
	await store.open();
	return store;
}

/** Enqueues rows of 256 B to `queues` queues in turn, then takes them out again. */
async function run(rowsPerBatch: number, queues: number): Promise<void> {
	const rows = Math.min(ROWS, rowsPerBatch * 300);
	const store = await openStore(`${rowsPerBatch}-${queues}.db`);
	const entries = entry();
	const enqueue = await phase(store, rows, rowsPerBatch, (at) =>
		store.enqueue(
			1 + (at % queues),
			1 + Math.floor(at / queues),
			message("house/kitchen/temperature", "x".repeat(231)),
			entries,
			0,
			null,
		),
	);
	const dequeue = await phase(store, rows, rowsPerBatch, (at) =>
		store.dequeue(1 + (at % queues), 1 + Math.floor(at / queues), null),
	);
	await store.close();
	const what = `${rowsPerBatch} a batch, queues ${queues}`;
	figure(`enqueue, ${what}`, enqueue.wall, "us");
	figure(`enqueue, ${what}, main thread`, enqueue.main, "us");
	figure(`dequeue, ${what}`, dequeue.wall, "us");
	figure(`dequeue, ${what}, main thread`, dequeue.main, "us");
	const slowest = Math.max(enqueue.slowest, dequeue.slowest);
	figure(`slowest batch, ${what}`, slowest, "ms");
}

/** @returns microseconds a row, in all and on the main thread; the slowest batch in ms */
async function phase(
	store: StoreClient,
	rows: number,
	rowsPerBatch: number,
	write: (at: number) => void,
): Promise<{ wall: number; main: number; slowest: number }> {
	const begin = performance.now();
	const loop = performance.eventLoopUtilization();
	let slowest = 0;
	for (let at = 0; at < rows; ) {
		const batchBegin = performance.now();
		for (let i = 0; i < rowsPerBatch && at < rows; i++) write(at++);
		await committed(store);
		slowest = Math.max(slowest, performance.now() - batchBegin);
	}
	const wall = ((performance.now() - begin) * 1000) / rows;
	const { active } = performance.eventLoopUtilization(loop);
	return { wall, main: (active * 1000) / rows, slowest };
}

async function retained(topics: number): Promise<void> {
	const store = await openStore("retained.db");
	const put = await phase(store, topics, 1000, (at) =>
		store.putRetained(
			message(`house/${at % 100}/sensor/${at}`),
			0,
			false,
			null,
		),
	);
	const begin = performance.now();
	const found = (await allRetained(store, "house/+/sensor/#", 500)).length;
	const scan = ((performance.now() - begin) * 1000) / found;
	await store.close();
	figure(`put a retained message, of ${topics}`, put.wall, "us");
	figure("find a retained message by a wildcard", scan, "us");
}
