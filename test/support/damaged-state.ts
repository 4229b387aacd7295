/**
 * State of known content for tests of damage: files as a kill leaves them, and a count of
 * what a store finds in them.
 */
import { cpSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Test } from "tap";
import { systemClock } from "../../src/platform/clock.ts";
import type { ApplicationMessage } from "../../src/protocol/messages.ts";
import { QueuePart, type Store } from "../../src/store/store.ts";
import {
	StoreClient,
	type StoreOptions,
} from "../../src/store/store-client.ts";
import {
	allRetained,
	allSessions,
	committed,
	entry,
	message,
	session,
	subscription,
} from "./store-fixtures.ts";

export interface StateCounts {
	sessions: number;
	subscriptions: number;
	queued: number;
	retained: number;
}

const SESSIONS = 40;
const FILTERS = 5;
const OWN_MESSAGES = 20;
const SHARED_MESSAGES = 30;
/** Queues that hold each shared message. */
export const SHARERS = 4;
/** Sessions that have a lane by topic too. */
const LANES = 3;
const LANE_MESSAGES = 40;
const LANE_TOPICS = 5;
const TOPICS = 600;
/** Written last, each in a commit of its own: they are in the log. */
const LATE_TOPICS = 30;

/** Damage met while running ends the process; its next start saves what there is. */
const MOST_STARTS = 2;

/** What {@link makeState} puts into the files. */
export const completeState: StateCounts = {
	sessions: SESSIONS,
	subscriptions: SESSIONS * FILTERS,
	queued:
		SESSIONS * OWN_MESSAGES + SHARED_MESSAGES * SHARERS + LANES * LANE_MESSAGES,
	retained: TOPICS + LATE_TOPICS,
};

export function damagedStore(
	path: string,
	options: Partial<StoreOptions> = {},
): StoreClient {
	return new StoreClient({
		path,
		clock: systemClock,
		commitIntervalMs: 20,
		lazyIntervalMs: 60_000,
		onFatal: () => {},
		onTrouble: () => {},
		...options,
	});
}

/**
 * Makes a database that was not closed.
 * @param inLog everything is in the log still, not only what came last
 * @returns the path of the database file
 */
export async function makeState(
	t: Test,
	folder: string,
	inLog: boolean,
): Promise<string> {
	const path = join(folder, "running", "broker.db");
	let store = damagedStore(path);
	t.teardown(() => store.close());
	await store.open();
	fill(store);
	await committed(store);
	if (!inLog) {
		await store.close();
		store = damagedStore(path);
		await store.open();
	}
	for (let number = 0; number < LATE_TOPICS; number++) {
		store.putRetained(message(`late/${number}`), 0, false, null);
		await committed(store);
	}
	const copy = join(folder, "killed");
	cpSync(dirname(path), copy, { recursive: true });
	return join(copy, "broker.db");
}

function fill(store: Store): void {
	for (let key = 1; key <= SESSIONS; key++) {
		const will = { ...message(`will/${key}`), delaySeconds: 3 };
		store.putSession(session(key, { will: key % 3 === 0 ? will : null }), null);
		for (let number = 0; number < FILTERS; number++)
			store.putSubscription(key, subscription(`to/${key}/${number}/#`), null);
		store.putReceivedId(key, key + 10, null);
		for (let sequence = 1; sequence <= OWN_MESSAGES; sequence++) {
			// One in twenty needs overflow pages.
			const payload = "x".repeat(sequence === 7 ? 9000 : 50);
			const own = message(`to/${key}/0/${sequence}`, payload);
			store.enqueue(key, sequence, own, entry(), 0, null);
		}
	}
	for (let number = 1; number <= SHARED_MESSAGES; number++) {
		const shared = message(`shared/${number}`, "shared".repeat(20));
		for (let key = 1; key <= SHARERS; key++)
			store.enqueue(key, OWN_MESSAGES + number, shared, entry(), 0, null);
	}
	for (let session = 1; session <= LANES; session++) {
		const key = SESSIONS + session;
		const record = { key, session, name: "latest", isByTopic: true };
		store.lanes.put(record, null);
		for (let sequence = 1; sequence <= LANE_MESSAGES; sequence++) {
			const given = message(`lane/${sequence % LANE_TOPICS}`);
			store.enqueue(key, sequence, given, entry(), 0, null);
		}
	}
	for (let number = 0; number < TOPICS; number++) {
		const payload = "v".repeat(number % 97);
		store.putRetained(message(`kept/${number}`, payload), 0, false, null);
	}
}

/** Reads everything that the store has. @throws Error when something cannot be read */
export async function countState(store: Store): Promise<StateCounts> {
	const counts = { sessions: 0, subscriptions: 0, queued: 0, retained: 0 };
	for (const saved of await allSessions(store)) {
		counts.sessions++;
		counts.subscriptions += saved.subscriptions.length;
		counts.queued += await countQueue(store, saved, saved.clientId);
		for (const lane of saved.lanes) {
			const rows = await countQueue(store, lane, `lane ${lane.key}`);
			counts.queued += rows;
			await checkTopics(store, lane.key, rows);
		}
	}
	const retained = await allRetained(store, "#", 1000);
	for (const { message } of retained) requireWhole(message);
	counts.retained = retained.length;
	return counts;
}

/** Every payload repeats itself: one that a bit has flipped in does not. */
function requireWhole({ topic, payload }: ApplicationMessage): void {
	const text = payload.toString("latin1");
	const isWhole = /^(x*|v*|(shared)*|payload)$/.test(text);
	if (!isWhole) throw new Error(`${topic} holds what nobody wrote: ${text}`);
}

async function countQueue(
	store: Store,
	{ key, queuedMessages }: { key: number; queuedMessages: number },
	whose: string,
): Promise<number> {
	const { messages } = await store.readQueue(
		key,
		-1,
		100_000,
		1e9,
		QueuePart.All,
	);
	if (messages.length !== queuedMessages)
		throw new Error(`the queue of ${whose} says it has ${queuedMessages}`);
	for (const { message } of messages) requireWhole(message);
	return messages.length;
}

/** All rows of a lane are found by their topics. */
async function checkTopics(
	store: Store,
	key: number,
	rows: number,
): Promise<void> {
	let found = 0;
	for (let number = 0; number < LANE_TOPICS; number++) {
		const topic = `lane/${number}`;
		const page = await store.lanes.readTopic(key, topic, -1, 999, 1e6);
		found += page.messages.length;
	}
	if (found !== rows)
		throw new Error(`${found} of ${rows} in lane ${key} are found by topic`);
}

export interface Outcome {
	counts: StateCounts;
	notices: string[];
	starts: number;
}

/** Opens and reads everything; once more when the store ended by what it met, as a supervisor does. */
export async function openDamaged(
	path: string,
	wasKilled = true,
): Promise<Outcome> {
	const notices: string[] = [];
	for (let starts = 1; ; starts++) {
		const store = damagedStore(path, {
			onNotice: (words) => notices.push(words),
			wasKilled: () => wasKilled,
		});
		try {
			await store.open();
			const counts = await countState(store);
			await store.close();
			return { counts, notices, starts };
		} catch (error) {
			if (starts === MOST_STARTS) throw error;
		}
	}
}
