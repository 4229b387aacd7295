import { readdirSync, renameSync } from "node:fs";
import { cp } from "node:fs/promises";
import { dirname, join } from "node:path";
import t from "tap";
import { damagedStore, makeState } from "../support/damaged-state.ts";
import {
	closedState,
	contentsAt,
	contentsOf,
	withWorker,
} from "../support/state-contents.ts";
import { committed, message } from "../support/store-fixtures.ts";

/** Copies of a database that is in use. */

const isBackup = (name: string) => /backup|restor/.test(name);

t.test("a backup holds all that was written before it", async (t) => {
	const path = await makeState(t, t.testdir(), false);
	const store = damagedStore(path);
	await store.open();
	store.putRetained(message("late/lazy", "x", { qos: 0 }), 0, true, null);
	const target = `${path}.backup`;
	await store.backup(target);
	t.strictSame(readdirSync(dirname(path)).filter(isBackup), [
		"broker.db.backup",
	]);
	const copy = join(t.testdirName, "copy.db");
	renameSync(target, copy);
	const expected = await contentsOf(store);
	await store.close();
	t.strictSame(await contentsAt(copy), expected);
});

t.test("commits go on while a backup is made", async (t) => {
	const path = join(t.testdir(), "broker.db");
	const store = damagedStore(path);
	await store.open();
	t.teardown(() => store.close());
	const payload = "x".repeat(4000);
	for (let i = 0; i < 4000; i++)
		store.putRetained(message(`fill/${i}`, payload), 0, false, null);
	await committed(store);
	const target = `${path}.backup`;
	let isDone = false;
	const backup = store.backup(target).then(() => {
		isDone = true;
	});
	let commitsMeanwhile = 0;
	for (let i = 0; !isDone; i++) {
		// Some in what is copied already, some in what is not.
		const topic = `fill/${(i * 997) % 4000}`;
		store.putRetained(message(topic, `new ${i}`), 0, false, null);
		await committed(store);
		if (!isDone) commitsMeanwhile++;
	}
	await backup;
	t.ok(commitsMeanwhile > 5, `${commitsMeanwhile} commits`);
	await withWorker(target, async (worker) => {
		t.strictSame(await worker.check(), { problems: [] });
		t.match(await worker.describe(), { retainedMessages: 4000 });
	});
});

t.test("a backup that cannot be written leaves nothing behind", async (t) => {
	const path = await closedState(t, t.testdir());
	const store = damagedStore(path);
	await store.open();
	const target = join(dirname(path), "nowhere", "x.db");
	await t.rejects(store.backup(target), /no backup was made/);
	await committed(store);
	await store.close();
});

t.test(
	"what a cut-off backup or restore left is removed at the start",
	async (t) => {
		const path = await closedState(t, t.testdir());
		for (const suffix of ["backup", "restoring"])
			await cp(path, `${path}.${suffix}`);
		const store = damagedStore(path);
		await store.open();
		await store.close();
		t.strictSame(readdirSync(dirname(path)).filter(isBackup), []);
	},
);
