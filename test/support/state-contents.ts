/** What is in a database, and tools that work on it. */
import type { Test } from "tap";
import { systemClock } from "../../src/platform/clock.ts";
import { StateWorker } from "../../src/store/state-worker.ts";
import { QueuePart, type Store } from "../../src/store/store.ts";
import { damagedStore, makeState } from "./damaged-state.ts";
import { allRetained, allSessions } from "./store-fixtures.ts";

/** A database as an orderly stop leaves it: all of it in one file. */
export async function closedState(t: Test, folder: string): Promise<string> {
	const path = await makeState(t, folder, false);
	const store = damagedStore(path);
	await store.open();
	await store.close();
	return path;
}

export async function withWorker<T>(
	path: string,
	work: (worker: StateWorker) => Promise<T>,
): Promise<T> {
	const worker = new StateWorker(systemClock, path, true);
	try {
		return await work(worker);
	} finally {
		await worker.end();
	}
}

export async function contentsAt(path: string): Promise<unknown> {
	const store = damagedStore(path);
	await store.open();
	const contents = await contentsOf(store);
	await store.close();
	return contents;
}

/** All that a store holds. */
export async function contentsOf(store: Store): Promise<unknown> {
	const sessions = await allSessions(store);
	const queues: unknown[] = [];
	for (const { key } of sessions) {
		const { messages, isLast } = await store.readQueue(
			key,
			-1,
			1_000_000,
			1e9,
			QueuePart.All,
		);
		if (!isLast) throw new Error("a page should have held it all");
		queues.push(messages);
	}
	const retained = await allRetained(store, "#", 1000);
	const byTopic = retained.toSorted((a, b) =>
		a.message.topic < b.message.topic ? -1 : 1,
	);
	return { sessions, queues, retained: byTopic };
}
