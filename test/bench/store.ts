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

/**
 * Durable rows a second through the whole store, and what a row costs the main thread.
 *
 *     node test/bench/store.ts [folder on the disk to measure]
 */

const ROWS = 20_000;
const folder = mkdtempSync(join(process.argv[2] ?? tmpdir(), "store-bench-"));
const results: Record<string, number>[] = [];

for (const rowsPerBatch of [1, 10, 100, 1000])
	for (const queues of [1, 100]) results.push(await run(rowsPerBatch, queues));
console.table(results);
console.table([await retained(20_000)]);
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
async function run(
	rowsPerBatch: number,
	queues: number,
): Promise<Record<string, number>> {
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
	return {
		"rows a batch": rowsPerBatch,
		queues,
		"enqueued a second": Math.round(1e6 / enqueue.wall),
		"enqueue us": round(enqueue.wall),
		"of that main us": round(enqueue.main),
		"dequeued a second": Math.round(1e6 / dequeue.wall),
		"dequeue us": round(dequeue.wall),
		"of that main us ": round(dequeue.main),
		"slowest batch ms": round(Math.max(enqueue.slowest, dequeue.slowest)),
	};
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

async function retained(topics: number): Promise<Record<string, number>> {
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
	return { topics, "put us": round(put.wall), "scan us": round(scan) };
}

function round(value: number): number {
	return Math.round(value * 100) / 100;
}
