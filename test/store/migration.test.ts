import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import Sqlite from "better-sqlite3";
import t, { type Test } from "tap";
import { systemClock } from "../../src/platform/clock.ts";
import { SCHEMA_VERSION } from "../../src/store/schema.ts";
import { DeliveryPhase, QueuePart, type Store } from "../../src/store/store.ts";
import { StoreClient } from "../../src/store/store-client.ts";
import {
	allRetained,
	allSessions,
	entry,
	message,
} from "../support/store-fixtures.ts";

/** Files of earlier versions: each has a fixture that its own version wrote. */

const LANE = 100;

async function open(t: Test, path: string): Promise<StoreClient> {
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

async function waiting(store: Store, key: number): Promise<string[]> {
	const page = await store.readQueue(key, -1, 999, 1e6, QueuePart.All);
	return page.messages.map(({ message }) => `${message.payload}`);
}

for (const isLarge of [false, true])
	t.test(
		`a ${isLarge ? "large" : "small"} file of version 1 has all that it had, and takes lanes`,
		async (t) => {
			const path = join(t.testdir(), "broker.db");
			const fixture = join(
				import.meta.dirname,
				"../fixtures/state-version-1.db.gz",
			);
			writeFileSync(path, gunzipSync(readFileSync(fixture)));
			t.equal(versionOf(path), 1);
			if (isLarge) grow(path);
			let store = await open(t, path);
			const check = async () => {
				const sessions = await allSessions(store);
				t.equal(sessions.length, 20);
				t.match(sessions[0], {
					clientId: "client-1",
					username: "anna",
					will: { topic: "will/1", qos: 2, delaySeconds: 30 },
					subscriptions: [{}, { filter: "house/1/1/+", identifier: 1 }, {}],
					receivedIds: [101],
					queuedMessages: 140,
					lastSequence: 200,
				});
				t.match(await store.readQueue(3, -1, 2, 1e6, QueuePart.All), {
					messages: [
						{
							sequence: 1,
							qos: 2,
							packetId: 77,
							phase: DeliveryPhase.Released,
						},
						{ sequence: 2, message: { topic: "own/2" } },
					],
				});
				const [first] = await waiting(store, 1);
				t.equal(first, "s".repeat(50));
				t.equal((await waiting(store, 1)).length, 140);
				t.equal((await allRetained(store, "#", 100)).length, 300);
				t.equal(`${await store.readValue("bridge", "position")}`, "42");
			};
			await check();
			const lane = { key: LANE, session: 20, name: "latest", isByTopic: true };
			store.lanes.put(lane, null);
			store.lanes.replace(LANE, 1, message("t", "new"), entry(), 0, null);
			await store.close();
			t.equal(versionOf(path), SCHEMA_VERSION);
			store = await open(t, path);
			await check();
			const page = await store.lanes.readTopic(LANE, "t", -1, 9, 999);
			t.match(page.messages, [{ sequence: 1, message: { topic: "t" } }]);
		},
	);

/** A file above 8 MB is looked at in another way at the start. */
function grow(path: string): void {
	const database = new Sqlite(path);
	database
		.prepare(
			"INSERT INTO extension_value (space, name, value) VALUES (?, ?, ?)",
		)
		.run("test", "large", Buffer.alloc(9_000_000));
	database.close();
}

function versionOf(path: string): number {
	const database = new Sqlite(path, { readonly: true });
	try {
		return Number(database.pragma("user_version", { simple: true }));
	} finally {
		database.close();
	}
}
