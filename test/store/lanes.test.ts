import { join } from "node:path";
import Sqlite from "better-sqlite3";
import t, { type Test } from "tap";
import { systemClock } from "../../src/platform/clock.ts";
import { DeliveryPhase, QueuePart, type Store } from "../../src/store/store.ts";
import { StoreClient } from "../../src/store/store-client.ts";
import {
	allSessions,
	committed,
	entry,
	message,
	session,
} from "../support/store-fixtures.ts";

/** Several queues of one session. */

const LIVE = 100;
const LATEST = 101;

async function open(t: Test, path = join(t.testdir(), "broker.db")) {
	const store = new StoreClient({
		path,
		clock: systemClock,
		commitIntervalMs: 60_000,
		lazyIntervalMs: 60_000,
		syncIntervalMs: 60_000,
		onFatal: (error) => t.fail(error.message),
		onTrouble: (words) => t.fail(words),
		onNotice: (words) => t.fail(words),
	});
	await store.open();
	t.teardown(() => store.close());
	return store;
}

function withLanes(store: Store, key = 1): void {
	store.putSession(session(key), null);
	const lane = { session: key, name: "live", isByTopic: false };
	store.lanes.put({ ...lane, key: LIVE }, null);
	store.lanes.put(
		{ ...lane, key: LATEST, name: "latest", isByTopic: true },
		null,
	);
}

async function waiting(store: Store, key: number): Promise<string[]> {
	const page = await store.readQueue(key, -1, 999, 1e6, QueuePart.All);
	return page.messages.map(({ message }) => `${message.payload}`);
}

async function ofTopic(store: Store, topic: string): Promise<string[]> {
	const page = await store.lanes.readTopic(LATEST, topic, -1, 999, 1e6);
	return page.messages.map(({ message }) => `${message.payload}`);
}

t.test(
	"a lane is read by itself, and comes back with its totals",
	async (t) => {
		const path = join(t.testdir(), "broker.db");
		const before = await open(t, path);
		withLanes(before);
		const both = message("t", "both");
		for (const key of [1, LIVE, LATEST])
			before.enqueue(key, 1, both, entry(), 0, null);
		before.enqueue(LIVE, 2, message("t", "live"), entry(), 0, null);
		before.lanes.put(
			{ key: LIVE, session: 1, name: "first", isByTopic: true },
			null,
		);
		await before.close();
		const store = await open(t, path);
		const [saved] = await allSessions(store);
		t.match(saved, { queuedMessages: 1, queuedBytes: 5, lastSequence: 1 });
		t.strictSame(saved?.lanes, [
			{
				key: LIVE,
				session: 1,
				name: "first",
				isByTopic: false,
				queuedMessages: 2,
				queuedBytes: 10,
				lastSequence: 2,
			},
			{
				key: LATEST,
				session: 1,
				name: "latest",
				isByTopic: true,
				queuedMessages: 1,
				queuedBytes: 5,
				lastSequence: 1,
			},
		]);
		t.strictSame(await waiting(store, LIVE), ["both", "live"]);
		t.strictSame(await waiting(store, 1), ["both"]);
		t.strictSame(await ofTopic(store, "t"), ["both"], "a shared body too");
	},
);

t.test(
	"the newest of a topic takes the place of what was not sent",
	async (t) => {
		const store = await open(t);
		withLanes(store);
		const told: unknown[] = [];
		store.lanes.onReplaced = (...what) => told.push(what);
		const replace = (sequence: number, topic: string, payload: string) =>
			store.lanes.replace(
				LATEST,
				sequence,
				message(topic, payload),
				entry(),
				0,
				null,
			);
		replace(1, "a", "a1");
		replace(2, "b", "b1");
		store.markSent(LATEST, 1, 7, null);
		replace(3, "a", "a2");
		replace(4, "a", "a3");
		await committed(store);
		t.strictSame(told, [[LATEST, 3, 3]]);
		replace(5, "b", "b2");
		replace(6, "c", "c1");
		store.dequeue(LATEST, 4, null);
		replace(7, "a", "a4");
		await committed(store);
		t.strictSame(told.slice(1), [[LATEST, 2, 3]], "not what went by itself");
		t.strictSame(await waiting(store, LATEST), ["a1", "b2", "c1", "a4"]);
		t.strictSame(await ofTopic(store, "a"), ["a1", "a4"]);
		t.match(await store.lanes.readTopic(LATEST, "a", 1, 9, 999), {
			messages: [{ sequence: 7, phase: DeliveryPhase.Queued }],
			isLast: true,
		});
		t.match(await store.lanes.readTopic(LATEST, "a", -1, 1, 999), {
			messages: [{ sequence: 1, packetId: 7 }],
			isLast: false,
		});
		const [saved] = await allSessions(store);
		t.match(saved?.lanes[1], { queuedMessages: 4, queuedBytes: 12 });
	},
);

t.test("a session's end takes its lanes along", async (t) => {
	const path = join(t.testdir(), "broker.db");
	const store = await open(t, path);
	withLanes(store);
	// The same lanes, now of another session.
	store.deleteSession(1, null);
	withLanes(store, 2);
	for (const key of [LIVE, LATEST])
		store.enqueue(key, 1, message("t"), entry(), 0, null);
	// It hopes for an acknowledgement when the session ends.
	store.enqueue(LIVE, 2, message("t"), entry(), 0, null, true);
	store.deleteSession(2, null);
	await store.close();
	const database = new Sqlite(path);
	t.teardown(() => database.close());
	for (const table of ["lane", "queue", "queue_topic", "queue_total"])
		t.equal(
			database.prepare(`SELECT count(*) FROM ${table}`).pluck().get(),
			0,
			table,
		);
});

t.test(
	"a lane's end leaves the session and its other queues alone",
	async (t) => {
		const store = await open(t);
		withLanes(store);
		for (const key of [1, LIVE, LATEST])
			store.enqueue(key, 1, message("t", `${key}`), entry(), 0, null);
		store.lanes.delete(LATEST, null);
		t.strictSame(await waiting(store, LATEST), []);
		t.strictSame(await ofTopic(store, "t"), []);
		t.strictSame(await waiting(store, 1), ["1"]);
		t.strictSame(await waiting(store, LIVE), ["100"]);
		withLanes(store);
		store.enqueue(LATEST, 1, message("t", "anew"), entry(), 0, null);
		t.strictSame(await ofTopic(store, "t"), ["anew"]);
	},
);

t.test(
	"a queue that is not by topic pays nothing for those that are",
	async (t) => {
		const pagesOf = async (lanes: boolean) => {
			const store = await open(t, join(t.testdir(), "broker.db"));
			store.putSession(session(1), null);
			if (lanes) withLanes(store);
			await committed(store);
			const before = store.counters.pages.queues;
			for (let sequence = 1; sequence <= 100; sequence++) {
				store.enqueue(1, sequence, message("t"), entry(), 0, null);
				if (sequence % 20 > 0) continue;
				await committed(store);
				for (let at = sequence - 19; at <= sequence; at++)
					store.dequeue(1, at, null);
			}
			await committed(store);
			await store.close();
			return store.counters.pages.queues - before;
		};
		t.equal(await pagesOf(true), await pagesOf(false));
	},
);
