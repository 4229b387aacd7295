import { execFile } from "node:child_process";
import {
	mkdirSync,
	readdirSync,
	readFileSync,
	renameSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import Sqlite from "better-sqlite3";
import t, { type Test } from "tap";
import { systemClock } from "../../src/platform/clock.ts";
import { QueuePart } from "../../src/store/store.ts";
import {
	StoreClient,
	type StoreOptions,
} from "../../src/store/store-client.ts";
import {
	allSessions,
	committed,
	entry,
	message,
	NotingTicket,
	retainedTopics,
	session,
} from "../support/store-fixtures.ts";

/** What only a store on a file has: the file itself, and its troubles. */

const SOURCES = new URL("../../src/", import.meta.url).href;

interface Words {
	readonly trouble: string[];
	readonly notices: string[];
}

function createStore(
	t: Test,
	path: string,
	rest: Partial<StoreOptions> = {},
): { store: StoreClient; words: Words } {
	const words: Words = { trouble: [], notices: [] };
	const store = new StoreClient({
		path,
		clock: systemClock,
		commitIntervalMs: 20,
		lazyIntervalMs: 60_000,
		onFatal: (error) => t.fail(error.message),
		onTrouble: (text) => words.trouble.push(text),
		onNotice: (text) => words.notices.push(text),
		...rest,
	});
	t.teardown(() => store.close().catch(() => {}));
	return { store, words };
}

/** Looks into a closed store's file. */
function look(path: string, sql: string): unknown {
	const database = new Sqlite(path, { readonly: true });
	try {
		return database.prepare(sql).pluck().get();
	} finally {
		database.close();
	}
}

t.test(
	"a message for several queues is stored once, and vanishes with its last reader",
	async (t) => {
		const path = join(t.testdir(), "store.db");
		const { store } = createStore(t, path);
		await store.open();
		const shared = message("shared");
		for (const key of [1, 2, 3])
			store.enqueue(key, 1, shared, entry(), 0, null);
		store.enqueue(1, 2, message("own"), entry(), 0, null);
		await store.close();
		t.equal(look(path, "SELECT count(*) FROM message"), 1);
		t.equal(look(path, "SELECT count(*) FROM queue WHERE payload IS NULL"), 3);

		const { store: second } = createStore(t, path);
		await second.open();
		second.dequeue(1, 1, null);
		second.deleteSession(2, null);
		await second.close();
		t.equal(look(path, "SELECT count(*) FROM message"), 1);

		const { store: third } = createStore(t, path);
		await third.open();
		third.dequeue(3, 1, null);
		await third.close();
		t.equal(look(path, "SELECT count(*) FROM message"), 0);
	},
);

t.test(
	"the file can be vacuumed step by step, and close leaves no log",
	async (t) => {
		const path = join(t.testdir(), "store.db");
		const { store } = createStore(t, path);
		await store.open();
		store.putSession(session(1), null);
		await store.close();
		await store.close();
		t.same(readdirSync(join(path, "..")), ["store.db"]);
		t.equal(look(path, "PRAGMA auto_vacuum"), 2);
	},
);

t.test("a full store keeps the batch until there is room", async (t) => {
	const path = join(t.testdir(), "store.db");
	const { store, words } = createStore(t, path, { maxBytes: 512 * 1024 });
	await store.open();
	store.putSession(session(1), null);
	await committed(store);
	const notes: string[] = [];
	const first = new NotingTicket("first", notes);
	const second = new NotingTicket("second", notes);
	store.enqueue(1, 1, message("big", "x".repeat(1_000_000)), entry(), 0, first);
	t.equal(await store.readValue("any", "value"), null, "reads are answered");
	store.putSession(session(2), second);
	t.match(words.trouble, [
		/database or disk is full: .*store\.db.* free .*store\.max_bytes/,
	]);
	t.match(store.counters.trouble, /full/);
	t.same(notes, []);
	t.ok(store.counters.pendingBytes > 1_000_000);

	const queue = store.readQueue(1, -1, 10, 1, QueuePart.All);
	store.setMaxBytes(0);
	t.equal((await queue).messages.length, 1, "a read of the queue has waited");
	await second.done;
	t.same(notes, ["first", "second"]);
	t.equal(words.trouble.length, 2);
	t.equal(words.trouble[1], "");
	t.equal(store.counters.trouble, "");
	t.equal((await allSessions(store)).length, 2);
});

t.test("close says what could not be written", async (t) => {
	const path = join(t.testdir(), "store.db");
	const { store } = createStore(t, path, { maxBytes: 512 * 1024 });
	await store.open();
	store.putSession(session(1), null);
	store.enqueue(1, 1, message("big", "x".repeat(1_000_000)), entry(), 0, null);
	await store.readValue("any", "value");
	t.not(store.counters.trouble, "");
	await t.rejects(store.close(), /could not be written/);
});

t.test("a file of a newer version is refused and left alone", async (t) => {
	const path = join(t.testdir(), "store.db");
	const { store } = createStore(t, path);
	await store.open();
	await store.close();
	const database = new Sqlite(path);
	database.pragma("user_version = 99");
	database.close();
	const { store: older } = createStore(t, path);
	await t.rejects(older.open(), /newer version of the broker \(format 99/);
	t.equal(look(path, "PRAGMA user_version"), 99);
});

t.test("a garbage file is put into quarantine", async (t) => {
	const folder = t.testdir({ "store.db": "not a database ".repeat(1000) });
	const path = join(folder, "store.db");
	writeFileSync(`${path}-wal`, "nor a log");
	const { store, words } = createStore(t, path);
	await store.open();
	t.match(words.notices, [
		/store\.db could not be used .* moved to .*quarantine/,
	]);
	store.putRetained(message("a"), 0, false, null);
	t.same(await retainedTopics(store, "#"), ["a"]);
	const kept = readdirSync(join(folder, "quarantine")).sort();
	t.equal(kept.length, 2);
	t.match(kept[0], /^store\.db\.\d{4}-/);
	const text = readFileSync(join(folder, "quarantine", kept[0] ?? ""), "utf8");
	t.match(text, /^not a database/);
});

t.test("the database of another program is put into quarantine", async (t) => {
	const path = join(t.testdir(), "store.db");
	const database = new Sqlite(path);
	database.exec("CREATE TABLE photos (name TEXT)");
	database.close();
	const { store, words } = createStore(t, path);
	await store.open();
	t.match(words.notices, [/another program/]);
});

t.test("an empty file is a new store", async (t) => {
	const path = join(t.testdir({ "store.db": "" }), "store.db");
	const { store, words } = createStore(t, path);
	await store.open();
	t.same(words.notices, []);
});

t.test("a second broker on the same file is refused in words", async (t) => {
	const path = join(t.testdir(), "store.db");
	const { store } = createStore(t, path);
	await store.open();
	// Another process: within one, locks of a file are shared.
	const source = `
		import { StoreClient } from ${JSON.stringify(`${SOURCES}store/store-client.ts`)};
		import { systemClock as clock } from ${JSON.stringify(`${SOURCES}platform/clock.ts`)};
		const path = ${JSON.stringify(path)};
		await new StoreClient({ path, clock }).open().catch((e) => console.log(e.message));
	`;
	const args = ["--input-type=module", "--eval", source];
	const { stdout } = await promisify(execFile)(process.execPath, args);
	t.match(stdout, /^another broker uses /);
	t.match(stdout, `(process ${process.pid})`);
});

t.test("a path that cannot be opened is refused in words", async (t) => {
	const path = join(t.testdir(), "store.db");
	mkdirSync(path);
	const { store } = createStore(t, path);
	await t.rejects(store.open(), /cannot open the database .*store\.db/);
});

t.test("the death of the worker is told, and reads are refused", async (t) => {
	let worker: Worker | null = null;
	const fatal = Promise.withResolvers<Error>();
	const { store } = createStore(t, join(t.testdir(), "store.db"), {
		onFatal: (error) => fatal.resolve(error),
		workerFactory: () => {
			const url = new URL("../../src/store/worker.ts", import.meta.url);
			worker = new Worker(url, { execArgv: [] });
			return worker;
		},
	});
	await store.open();
	const memory = new ArrayBuffer(3);
	const nonsense = { type: "commit", batch: 1, memory, length: 3 };
	(worker as Worker | null)?.postMessage(nonsense);
	t.match((await fatal.promise).message, /store's worker thread died/);
	await t.rejects(store.readValue("any", "value"));
});

t.test("lazy writes reach the file when their time comes", async (t) => {
	const path = join(t.testdir(), "store.db");
	let due: (() => void) | null = null;
	const { store } = createStore(t, path, {
		clock: {
			...systemClock,
			setTimer: (callback, delayMs) => {
				t.equal(delayMs, 60_000);
				due = callback;
				return 1;
			},
			clearTimer: () => {},
		},
	});
	await store.open();
	store.putRetained(message("a", "1"), 0, true, null);
	store.putRetained(message("a", "2"), 0, true, null);
	await committed(store);
	t.equal(store.counters.retainedMessages, 0);
	t.ok(store.counters.pendingBytes > 0);
	(due as (() => void) | null)?.();
	await committed(store);
	t.equal(store.counters.retainedMessages, 1);
	t.equal(store.counters.pendingBytes, 0);

	const commits = store.counters.commits;
	const large = "x".repeat(1024 * 1024);
	for (let i = 0; i < 4; i++)
		store.putRetained(message(`large/${i}`, large), 0, true, null);
	await committed(store);
	t.ok(store.counters.commits > commits);
	t.equal(store.counters.retainedMessages, 5, "written early: over 4 MB");
});

t.test("every commit is synced", async (t) => {
	const { store } = createStore(t, join(t.testdir(), "store.db"));
	await store.open();
	for (let i = 0; i < 3; i++) await committed(store);
	await store.readValue("any", "value");
	t.match(store.counters, { commits: 3, syncs: 3 });
});

t.test(
	"durability = relaxed syncs what was written once in an interval, and nothing when nothing was",
	async (t) => {
		const path = join(t.testdir(), "store.db");
		const { store, words } = createStore(t, path, { syncIntervalMs: 100 });
		await store.open();
		for (let i = 0; i < 3; i++) await committed(store);
		t.match(store.counters, { commits: 3, syncs: 0 });
		await until(() => store.counters.syncs === 1);
		await committed(store);
		await until(() => store.counters.syncs === 2);
		t.equal(store.counters.commits, 4);
		t.strictSame(words.trouble, []);
	},
);

t.test("a log that cannot be synced is trouble", async (t) => {
	const folder = t.testdir();
	const path = join(folder, "store.db");
	const { store, words } = createStore(t, path, { syncIntervalMs: 50 });
	await store.open();
	await committed(store);
	renameSync(`${path}-wal`, `${path}-away`);
	await until(() => words.trouble.length === 1);
	t.match(store.counters.trouble, /may not be on the disk: .*store\.db-wal/);
	renameSync(`${path}-away`, `${path}-wal`);
	await until(() => words.trouble.length === 2);
	t.equal(store.counters.trouble, "");
});

async function until(condition: () => boolean): Promise<void> {
	while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
