import {
	existsSync,
	readdirSync,
	readFileSync,
	renameSync,
	writeFileSync,
} from "node:fs";
import { cp } from "node:fs/promises";
import { dirname, join } from "node:path";
import t from "tap";
import { systemClock } from "../../src/platform/clock.ts";
import { StateWorker } from "../../src/store/state-worker.ts";
import { damagedStore, makeState } from "../support/damaged-state.ts";
import {
	closedState,
	contentsAt,
	contentsOf,
	withWorker,
} from "../support/state-contents.ts";
import { allSessions, message } from "../support/store-fixtures.ts";

/** Backups that become the state. */

const isBackup = (name: string) => /backup|restor/.test(name);

t.test(
	"a backup becomes the state, and the state before is kept",
	async (t) => {
		const path = await makeState(t, t.testdir(), false);
		const expected = await contentsAt(path);
		const backup = join(t.testdirName, "backup.db");
		await cp(path, backup);
		const other = damagedStore(path);
		await other.open();
		other.putRetained(message("only/here"), 0, false, null);
		for (const { key } of await allSessions(other))
			other.deleteSession(key, null);
		await other.close();
		const before = await contentsAt(path);
		await cp(backup, `${path}.restoring`);
		const place = await withWorker(path, (worker) =>
			worker.restore(`${path}.restoring`),
		);
		t.match(place, /set-aside\/broker\.db\./);
		t.strictSame(await contentsAt(path), expected);
		t.strictSame(await contentsAt(place ?? ""), before);
		t.strictSame(readdirSync(dirname(path)).filter(isBackup), []);
	},
);

t.test("what is no sound state is not restored", async (t) => {
	const path = await closedState(t, t.testdir());
	const expected = readFileSync(path);
	const copy = `${path}.restoring`;
	const worker = new StateWorker(systemClock, path, true);
	t.teardown(() => worker.end());
	const refuses = async (words: RegExp) => {
		await t.rejects(worker.restore(copy), words);
		t.ok(readFileSync(path).equals(expected), "nothing was changed");
		t.notOk(existsSync(copy), "the copy is gone");
		t.notOk(existsSync(join(dirname(path), "set-aside")));
	};
	writeFileSync(copy, "nonsense");
	await refuses(/no sound state of a broker.*not a database/);
	writeFileSync(copy, "");
	await refuses(/no sound state/);
	writeFileSync(copy, expected.subarray(0, expected.length / 2));
	await refuses(/no sound state/);
	const newer = Buffer.from(expected);
	newer.writeUInt32BE(7, 60); // user_version
	writeFileSync(copy, newer);
	await refuses(/newer version of the broker/);
	const foreign = Buffer.from(expected);
	foreign.writeUInt32BE(1, 68); // application_id
	writeFileSync(copy, foreign);
	await refuses(/another program/);
});

t.test(
	"a restore that was cut off is finished by the next start",
	async (t) => {
		const path = await makeState(t, t.testdir(), false);
		const expected = await contentsAt(path);
		for (const isAside of [false, true]) {
			const folder = join(t.testdirName, `aside-${isAside}`);
			const there = join(folder, "broker.db");
			await cp(path, `${there}.restored`);
			if (!isAside) {
				const other = damagedStore(there.replace("broker.db", "x.db"));
				await other.open();
				await other.close();
				renameSync(join(folder, "x.db"), there);
			}
			const notices: string[] = [];
			const store = damagedStore(there, {
				onNotice: (words) => notices.push(words),
			});
			await store.open();
			t.strictSame(await contentsOf(store), expected);
			await store.close();
			t.match(notices, [/a restore that had been cut off was finished/]);
			t.equal(existsSync(join(folder, "set-aside")), !isAside);
		}
	},
);
