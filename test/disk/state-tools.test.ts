import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { SCHEMA_VERSION } from "../../src/store/schema.ts";
import { damage, damageNames } from "../support/damage.ts";
import {
	completeState,
	damagedStore,
	makeState,
} from "../support/damaged-state.ts";
import {
	closedState,
	contentsAt,
	withWorker,
} from "../support/state-contents.ts";

/** Descriptions, checks and resets of database files, without a broker. */

const _isBackup = (name: string) => /backup|restor/.test(name);

t.test("describe counts the rows of a state that a kill left", async (t) => {
	const path = await makeState(t, t.testdir(), false);
	const state = await withWorker(path, (worker) => worker.describe());
	const { sessions, subscriptions, queued, retained } = completeState;
	t.match(state, {
		sessions,
		subscriptions,
		queuedMessages: queued,
		retainedMessages: retained,
		format: SCHEMA_VERSION,
	});
	t.ok(state.logBytes > 0, "what was there before it was opened");
	t.equal(state.largest.length, 5);
	const bytes = state.largest.map(({ queuedBytes }) => queuedBytes);
	t.strictSame(
		bytes,
		bytes.toSorted((a, b) => b - a),
	);
});

t.test("the file is complete by itself while it is held", async (t) => {
	const path = await makeState(t, t.testdir(), false);
	const copy = join(t.testdirName, "copy.db");
	await withWorker(path, async (worker) => {
		await worker.hold();
		await cp(path, copy);
		await t.rejects(damagedStore(path).open(), /another broker uses/);
		await worker.release();
	});
	t.strictSame(await contentsAt(copy), await contentsAt(path));
});

t.test("a check names damage and leaves the file alone", async (t) => {
	const path = await closedState(t, t.testdir());
	const sound = readFileSync(path);
	await withWorker(path, async (worker) => {
		t.strictSame(await worker.check(), { problems: [] });
		let found = 0;
		for (const [name, seed] of [
			["a garbage header", 0],
			["the first page zeroed", 0],
			["pages zeroed", 0],
			["pages zeroed", 1],
			["pages zeroed", 2],
		] as const) {
			writeFileSync(path, sound);
			const kind = damageNames.indexOf(name);
			t.equal(damage(path, kind + seed * damageNames.length), name);
			const damaged = readFileSync(path);
			const { problems } = await worker.check();
			if (problems.length > 0) found++;
			else t.comment(`not found: ${name}, ${seed}`);
			t.ok(damaged.equals(readFileSync(path)), "the file is as it was");
		}
		t.ok(found >= 4, `${found} of 5 are found`);
	});
});

t.test("nothing is done to a state that is in use", async (t) => {
	const path = await closedState(t, t.testdir());
	const copy = join(t.testdirName, "copy.db");
	// Before it is open: to close a file is to lose one's locks on it.
	await cp(path, copy);
	const store = damagedStore(path);
	await store.open();
	t.teardown(() => store.close());
	await withWorker(path, async (worker) => {
		// A thread of this very process has it, so only SQLite can tell.
		const uses: readonly (() => Promise<unknown>)[] = [
			() => worker.describe(),
			() => worker.hold(),
			() => worker.reset(),
			() => worker.restore(copy),
		];
		for (const use of uses) await t.rejects(use(), /another broker uses/);
	});
});

t.test("a reset keeps what was there", async (t) => {
	const path = await makeState(t, t.testdir(), false);
	const copy = join(t.testdirName, "copy", "broker.db");
	for (const suffix of ["", "-wal"]) await cp(path + suffix, copy + suffix);
	const place = await withWorker(path, (worker) => worker.reset());
	t.notOk(existsSync(path));
	t.strictSame(await contentsAt(place ?? ""), await contentsAt(copy));
	t.equal(await withWorker(path, (worker) => worker.reset()), null);
});
