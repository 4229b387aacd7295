/** `state = ram+checkpoint`: the database in memory, and what is made of it in data_dir. */
import {
	chmodSync,
	closeSync,
	copyFileSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	openSync,
	readdirSync,
	rmSync,
	truncateSync,
	writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { damagedStore } from "../support/damaged-state.ts";
import {
	copyOf,
	cutPower,
	fill,
	keep,
	listing,
	lock,
	open,
	openToKill,
	type Place,
	placeIn,
	restore,
	topicsIn,
	topicsOnDisk,
	unlock,
} from "../support/ram-place.ts";
import { withWorker } from "../support/state-contents.ts";
import { message, retainedTopics } from "../support/store-fixtures.ts";

t.test("a stop saves all, and leaves nothing in memory", async (t) => {
	const place = placeIn(t);
	const store = await open(place);
	await keep(store, "a", "b");
	t.notOk(existsSync(place.disk), "nothing is written before it is time");
	await store.close();
	t.notOk(existsSync(join(place.ram, "..")));
	t.strictSame(readdirSync(join(place.disk, "..")), ["broker.db"]);
	const again = await open(place);
	t.strictSame(await retainedTopics(again, "#"), ["a", "b"]);
	await again.close();
	t.strictSame(await topicsOnDisk(place), ["a", "b"], "with state = disk too");
});

t.test("after a power cut it is as at the last checkpoint", async (t) => {
	const place = placeIn(t);
	const store = await open(place);
	await keep(store, "a");
	t.match(await store.saveCheckpoint(), { isNew: true, notice: "" });
	t.match(await store.saveCheckpoint(), { isNew: false }, "nothing changed");
	await keep(store, "b");
	store.putRetained(message("lazy", "x", { qos: 0 }), 0, true, null);
	t.match(await store.saveCheckpoint(), { isNew: true });
	await keep(store, "c");
	const disk = copyOf(place);
	await store.close();
	cutPower(place);
	restore(place, disk);
	const again = await open(place);
	t.notOk(again.counters.isLeft);
	t.strictSame(await retainedTopics(again, "#"), ["a", "b", "lazy"]);
	await again.close();
});

t.test("what a process that was killed left in memory is used", async (t) => {
	const place = placeIn(t);
	const notices: string[] = [];
	const { store, kill } = await openToKill(place);
	await keep(store, "a");
	await store.saveCheckpoint();
	await keep(store, "b");
	await kill();
	const again = await open(place, notices);
	t.ok(again.counters.isLeft);
	t.strictSame(await retainedTopics(again, "#"), ["a", "b"]);
	t.match(await again.saveCheckpoint(), { isNew: true }, "and is worth saving");
	await again.close();
	t.strictSame(notices, []);
	t.strictSame(await topicsOnDisk(place), ["a", "b"]);
});

t.test("but not when data_dir holds another state now", async (t) => {
	const place = placeIn(t);
	const { store, kill } = await openToKill(place);
	await keep(store, "a");
	await store.saveCheckpoint();
	await keep(store, "b");
	await kill();
	const other = join(t.testdirName, "other.db");
	await fill(other, "restored");
	rmSync(place.disk);
	copyFileSync(other, place.disk);
	const notices: string[] = [];
	const again = await open(place, notices);
	t.strictSame(await retainedTopics(again, "#"), ["restored"]);
	await again.close();
	t.match(notices.join(), /left in memory .* is in .*set-aside.*not used/);
	const [aside = ""] = readdirSync(join(place.disk, "..", "set-aside"));
	const kept = join(place.disk, "..", "set-aside", aside);
	t.strictSame(await topicsIn(kept), ["a", "b"]);
});

t.test("a file that was put there meanwhile is kept", async (t) => {
	const place = placeIn(t);
	const store = await open(place);
	await keep(store, "a");
	await store.saveCheckpoint();
	const other = join(t.testdirName, "other.db");
	await fill(other, "foreign");
	rmSync(place.disk);
	copyFileSync(other, place.disk);
	await keep(store, "b");
	const saved = await store.saveCheckpoint();
	t.match(saved?.notice, /somebody has replaced .*set-aside/);
	await store.close();
	t.strictSame(await topicsOnDisk(place), ["a", "b"]);
	const [aside = ""] = readdirSync(join(place.disk, "..", "set-aside"));
	const kept = join(place.disk, "..", "set-aside", aside);
	t.strictSame(await topicsIn(kept), ["foreign"]);
});

/** Two states, and a half one. */
const madeSources = makeSources();

/** What is in data_dir when the power is cut there: the older state is A, the newer one B. */
const moments: Readonly<
	Record<string, { files: Record<string, "A" | "B" | "half">; finds: string }>
> = {
	"while the first is written": {
		files: { "broker.db.checkpoint": "half" },
		finds: "",
	},
	"while it is written": {
		files: { "broker.db": "A", "broker.db.checkpoint": "half" },
		finds: "A",
	},
	"when it is complete": {
		files: { "broker.db": "A", "broker.db.next": "B" },
		finds: "B",
	},
	"when the one before has gone": {
		files: { "broker.db.previous": "A", "broker.db.next": "B" },
		finds: "B",
	},
	"when it is in its place": {
		files: { "broker.db": "B", "broker.db.previous": "A" },
		finds: "B",
	},
};

for (const [name, { files, finds }] of Object.entries(moments)) {
	t.test(`a power cut during a checkpoint, ${name}`, async (t) => {
		const place = placeIn(t);
		await leave(place, files);
		const notices: string[] = [];
		const store = await open(place, notices);
		t.strictSame(await retainedTopics(store, "#"), finds === "" ? [] : [finds]);
		t.strictSame(notices, []);
		t.notOk(existsSync(`${place.disk}.next`));
		await keep(store, "more");
		await store.close();
		t.strictSame(
			listing(place).filter((name) => name !== "broker.db.previous"),
			["broker.db"],
		);
	});
}

t.test("a disk that is read-only at the start", async (t) => {
	const place = placeIn(t);
	await leave(place, { "broker.db": "A", "broker.db.next": "B" });
	const before = listing(place);
	lock(t, place);
	const store = await open(place);
	t.strictSame(await retainedTopics(store, "#"), ["B"]);
	t.strictSame(listing(place), before);
	unlock(place);
	await keep(store, "more");
	await store.close();
	t.strictSame(await topicsOnDisk(place), ["B", "more"]);
});

t.test("state = disk finishes a checkpoint that was cut off", async (t) => {
	const place = placeIn(t);
	await leave(place, { "broker.db": "A", "broker.db.next": "B" });
	t.strictSame(await topicsOnDisk(place), ["B"]);
});

t.test("a log of state = disk is taken along, and never again", async (t) => {
	const place = placeIn(t);
	const disk = damagedStore(place.disk);
	await disk.open();
	await keep(disk, "in the log");
	const left = join(t.testdirName, "left");
	mkdirSync(left);
	for (const suffix of ["", "-wal"])
		copyFileSync(place.disk + suffix, join(left, `broker.db${suffix}`));
	await disk.close();
	for (const suffix of ["", "-wal"])
		copyFileSync(join(left, `broker.db${suffix}`), place.disk + suffix);
	const store = await open(place);
	t.strictSame(await retainedTopics(store, "#"), ["in the log"]);
	store.deleteRetained("in the log", false, null);
	await keep(store, "new");
	await store.close();
	t.notOk(existsSync(`${place.disk}-wal`));
	t.strictSame(await topicsOnDisk(place), ["new"]);
});

t.test("a damaged checkpoint: the one before, and quarantine", async (t) => {
	const place = placeIn(t);
	await leave(place, { "broker.db": "B", "broker.db.previous": "A" });
	truncateSync(place.disk, 5000);
	const notices: string[] = [];
	const store = await open(place, notices);
	t.strictSame(await retainedTopics(store, "#"), ["A"]);
	t.match(
		notices.join(),
		/is damaged .* goes on from the one before, of \d{4}-/,
	);
	t.ok(existsSync(place.disk), "until there is a new one");
	await keep(store, "more");
	await store.close();
	t.strictSame(await topicsOnDisk(place), ["A", "more"]);
	t.match(readdirSync(join(place.disk, "..", "quarantine")), [/^broker\.db\./]);
	t.ok(existsSync(`${place.disk}.previous`), "and the one before stays");
});

t.test("the only checkpoint is damaged: what can be read", async (t) => {
	const place = placeIn(t);
	await fill(place.disk, "a", "b");
	const file = openSync(place.disk, "r+");
	writeSync(file, Buffer.alloc(100), 0, 100, 0);
	closeSync(file);
	const notices: string[] = [];
	const store = await open(place, notices);
	t.strictSame(await retainedTopics(store, "#"), ["a", "b"]);
	t.match(notices.join(), /could not be used/);
	t.notMatch(notices.join(), place.ram, "names places that stay");
	t.notOk(existsSync(join(place.ram, "..", "quarantine")));
	await keep(store, "more");
	await store.close();
	t.strictSame(await topicsOnDisk(place), ["a", "b", "more"]);
});

t.test("a data_dir that cannot be written now and can be later", async (t) => {
	const place = placeIn(t);
	const store = await open(place);
	await keep(store, "a");
	lock(t, place);
	await t.rejects(store.saveCheckpoint(), /could not be saved to .*broker\.db/);
	await keep(store, "b");
	await t.rejects(store.close(), /stays in .*, where the next start finds it/);
	const again = await open(place);
	t.ok(again.counters.isLeft);
	unlock(place);
	t.match(await again.saveCheckpoint(), { isNew: true });
	await again.close();
	t.strictSame(await topicsOnDisk(place), ["a", "b"]);
});

t.test("state that is set aside does not come back", async (t) => {
	const place = placeIn(t);
	await leave(place, {
		"broker.db": "A",
		"broker.db.previous": "A",
		"broker.db.next": "B",
	});
	await withWorker(place.disk, (worker) => worker.reset());
	const store = await open(place);
	t.strictSame(await retainedTopics(store, "#"), []);
	await store.close();
	const { store: killed, kill } = await openToKill(place);
	await keep(killed, "c");
	await kill();
	const notices: string[] = [];
	const reset = damagedStore(place.ram, {
		checkpoint: place.disk,
		resetState: true,
		onNotice: (words) => notices.push(words),
	});
	await reset.open();
	t.strictSame(await retainedTopics(reset, "#"), []);
	t.match(notices.join(), /left in memory .*set-aside/);
	await reset.close();
});

t.test("nobody else's folder in memory is used", async (t) => {
	const place = placeIn(t);
	mkdirSync(join(place.ram, ".."), { mode: 0o777 });
	chmodSync(join(place.ram, ".."), 0o777);
	await t.rejects(open(place), /belongs to somebody else.*state\.ram_dir/);
});

/** Makes the files of data_dir. */
async function leave(
	{ disk }: Place,
	files: Readonly<Record<string, "A" | "B" | "half">>,
): Promise<void> {
	const folder = await madeSources;
	for (const [name, which] of Object.entries(files))
		copyFileSync(join(folder, which), join(disk, "..", name));
}

async function makeSources(): Promise<string> {
	const folder = mkdtempSync(join(tmpdir(), "broker-sources-"));
	t.teardown(() => rmSync(folder, { recursive: true }));
	await fill(join(folder, "A"), "A");
	await fill(join(folder, "B"), "B");
	copyFileSync(join(folder, "B"), join(folder, "half"));
	truncateSync(join(folder, "half"), 9000);
	return folder;
}
