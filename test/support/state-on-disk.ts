/**
 * Writes the state of a broker straight into a database, with the store's own code: a
 * million queued messages take seconds. For tests and benchmarks of the start.
 *
 *     node test/support/state-on-disk.ts DATABASE [JSON of a StateShape]
 *
 * As a program it can end like a process that was killed: `walBytes` of the log are then
 * not in the database yet.
 */
import { statSync } from "node:fs";
import { systemClock } from "../../src/platform/clock.ts";
import { StoreClient } from "../../src/store/store-client.ts";
import {
	committed,
	entry,
	message,
	session,
	subscription,
} from "./store-fixtures.ts";

export interface StateShape {
	readonly sessions: number;
	/** In all; spread over the sessions. */
	readonly subscriptions: number;
	readonly retained: number;
	/** In all; spread over the sessions. QoS 1. */
	readonly queued: number;
	readonly payloadBytes: number;
	/** What the log holds when the program kills itself; 0 for an orderly end. */
	readonly walBytes: number;
}

export const LARGE_STATE: StateShape = {
	sessions: 1000,
	subscriptions: 10_000,
	retained: 100_000,
	queued: 1_000_000,
	payloadBytes: 256,
	walBytes: 0,
};

const BATCH_ROWS = 5000;

export function clientIdOf(key: number): string {
	return `gateway-${key}`;
}

/** Adds the state to the database at `path`, which may be new. */
export async function writeState(
	path: string,
	shape: StateShape,
): Promise<void> {
	const store = await openStore(path);
	await writeSessions(store, shape);
	await writeRetained(store, shape);
	await writeQueues(store, shape);
	await store.close();
}

/** Leaves a log of `bytes`, and ends this process by SIGKILL. Queues must be empty or `from` sequences long. */
async function growLog(
	path: string,
	shape: StateShape,
	bytes: number,
): Promise<void> {
	const store = await openStore(path);
	const payload = "x".repeat(shape.payloadBytes);
	const log = `${path}-wal`;
	let sequence = Math.floor(shape.queued / shape.sessions);
	while ((statSync(log, { throwIfNoEntry: false })?.size ?? 0) < bytes) {
		sequence++;
		for (let key = 1; key <= shape.sessions; key += 5)
			store.enqueue(
				key,
				sequence,
				message(topicOf(key), payload),
				entry(),
				0,
				null,
			);
		await committed(store);
	}
	process.kill(process.pid, "SIGKILL");
}

async function openStore(path: string): Promise<StoreClient> {
	const store = new StoreClient({
		path,
		clock: systemClock,
		commitIntervalMs: 20,
		lazyIntervalMs: 5000,
		onFatal: (error) => {
			throw error;
		},
		onTrouble: (words) => {
			throw new Error(words);
		},
	});
	await store.open();
	return store;
}

async function writeSessions(
	store: StoreClient,
	{ sessions, subscriptions }: StateShape,
): Promise<void> {
	const disconnectedAtMs = systemClock.wallMs();
	const each = Math.ceil(subscriptions / sessions);
	for (let key = 1; key <= sessions; key++) {
		const clientId = clientIdOf(key);
		store.putSession(
			session(key, { clientId, expirySeconds: 0xffffffff, disconnectedAtMs }),
			null,
		);
		for (let at = 0; at < each; at++)
			store.putSubscription(
				key,
				subscription(`house/${key}/room/${at}/+/state`),
				null,
			);
	}
	await committed(store);
}

async function writeRetained(
	store: StoreClient,
	{ retained, payloadBytes }: StateShape,
): Promise<void> {
	const payload = "x".repeat(payloadBytes);
	for (let at = 0; at < retained; at++) {
		const topic = `house/${at % 1000}/room/${at}/temperature/state`;
		store.putRetained(message(topic, payload), 0, false, null);
		if (at % BATCH_ROWS === 0) await committed(store);
	}
	await committed(store);
}

async function writeQueues(
	store: StoreClient,
	{ sessions, queued, payloadBytes }: StateShape,
): Promise<void> {
	const payload = "x".repeat(payloadBytes);
	const each = Math.floor(queued / sessions);
	const row = entry();
	let rows = 0;
	for (let key = 1; key <= sessions; key++)
		for (let sequence = 1; sequence <= each; sequence++) {
			const body = message(topicOf(key), payload);
			store.enqueue(key, sequence, body, row, 0, null);
			if (++rows % BATCH_ROWS === 0) await committed(store);
		}
	await committed(store);
}

function topicOf(key: number): string {
	return `house/${key}/room/1/lamp/state`;
}

if (import.meta.main) {
	const [path = "", shape = "{}"] = process.argv.slice(2);
	const wanted = { ...LARGE_STATE, ...JSON.parse(shape) } as StateShape;
	if (wanted.walBytes === 0) await writeState(path, wanted);
	else await growLog(path, wanted, wanted.walBytes);
}
