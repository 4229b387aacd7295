import { execFileSync } from "node:child_process";
import {
	existsSync,
	mkdtempSync,
	rmdirSync,
	rmSync,
	statfsSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { systemClock } from "../../src/platform/clock.ts";
import { QueuePart } from "../../src/store/store.ts";
import {
	StoreClient,
	type StoreOptions,
} from "../../src/store/store-client.ts";
import {
	committed,
	entry,
	message,
	NotingTicket,
	session,
} from "../support/store-fixtures.ts";

/** A disk that is really full: a small tmpfs of the test's own. */

const KB = 1024;
const MB = 1024 * KB;
const ROW_BYTES = 16 * KB;

function mount(t: Test, bytes: number): string {
	if (process.getuid?.() !== 0)
		throw new Error("a full disk needs root: this test mounts a small tmpfs");
	// Not in t.testdir(): that is removed while it is mounted.
	const folder = mkdtempSync(join(tmpdir(), "full-disk-"));
	execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "test", folder]);
	t.teardown(() => {
		execFileSync("umount", ["-l", folder]);
		rmdirSync(folder);
	});
	return folder;
}

async function open(t: Test, folder: string, rest: Partial<StoreOptions> = {}) {
	const trouble: string[] = [];
	const store = new StoreClient({
		path: join(folder, "broker.db"),
		clock: systemClock,
		commitIntervalMs: 20,
		lazyIntervalMs: 50,
		onFatal: (error) => t.fail(error.message),
		onTrouble: (words) => trouble.push(words),
		...rest,
	});
	t.teardown(() => store.close().catch(() => {}));
	await store.open();
	store.putSession(session(1), null);
	await committed(store);
	return { store, trouble };
}

/** Enqueues until a commit fails. @returns the ticket that waits */
async function fill(store: StoreClient): Promise<{
	last: NotingTicket;
	notes: string[];
	count: number;
}> {
	const notes: string[] = [];
	for (let count = 1; ; count++) {
		const last = new NotingTicket(`${count}`, notes);
		const given = message("a", "x".repeat(ROW_BYTES));
		store.enqueue(1, count, given, entry(), 0, last);
		await until(() => !last.isPending || store.counters.trouble !== "");
		if (store.counters.trouble !== "") return { last, notes, count };
	}
}

async function until(condition: () => boolean): Promise<void> {
	while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

async function sequences(store: StoreClient): Promise<number[]> {
	const page = await store.readQueue(1, -1, 10_000, 1e9, QueuePart.All);
	return page.messages.map(({ sequence }) => sequence);
}

t.test("space that another program gives back ends the trouble", async (t) => {
	const folder = mount(t, 6 * MB);
	const other = join(folder, "other");
	writeFileSync(other, Buffer.alloc(3 * MB));
	const { store, trouble } = await open(t, folder);
	const { last, count } = await fill(store);
	t.match(trouble[0], /database or disk is full/);
	rmSync(other);
	await last.done;
	await until(() => store.counters.trouble === "");
	t.equal((await sequences(store)).length, count, "nothing is lost");
});

t.test("messages that are taken away make room for others", async (t) => {
	const folder = mount(t, 40 * MB);
	const ballastBytes = 8 * MB;
	const options = { ballastBytes, ballastDelayMs: 1 };
	const { store } = await open(t, folder, options);
	const ballast = join(folder, "ballast");
	await until(() => existsSync(ballast));
	writeFileSync(join(folder, "other"), Buffer.alloc(26 * MB));
	const { last, count } = await fill(store);
	t.ok(existsSync(ballast), "only removals may have its room");
	const half = Math.floor(count / 2);
	for (let at = 1; at <= half; at++) store.dequeue(1, at, null);
	await last.done;
	await until(() => store.counters.trouble === "");
	const left = await sequences(store);
	t.strictSame([left[0], left.at(-1)], [half + 1, count]);
	t.equal(left.length, count - half);
});

t.test("the ballast is made again when there is room", async (t) => {
	const folder = mount(t, 40 * MB);
	const other = join(folder, "other");
	const ballastBytes = 8 * MB;
	const options = { ballastBytes, ballastDelayMs: 1 };
	const { store } = await open(t, folder, options);
	const ballast = join(folder, "ballast");
	await until(() => existsSync(ballast));
	store.enqueue(1, 1_000_000, message("a", "keep"), entry(), 0, null);
	writeFileSync(other, Buffer.alloc(26 * MB));
	const { last, count } = await fill(store);
	// One that was not committed is enqueued and removed in what waits: it must not come back.
	store.dequeue(1, count, null);
	store.dequeue(1, 1, null);
	await until(() => !existsSync(ballast) || !last.isPending);
	rmSync(other);
	await last.done;
	t.ok(existsSync(ballast));
	const { bavail, bsize } = statfsSync(folder);
	t.ok(bavail * bsize > ballastBytes);
	await committed(store);
	const left = await sequences(store);
	t.notOk(left.includes(1) || left.includes(count));
	t.equal(left.length, count - 1);
});

t.test(
	"below store.max_bytes again after removals, without ballast",
	async (t) => {
		const { store, trouble } = await open(t, t.testdir(), { maxBytes: 1 * MB });
		const { last, count } = await fill(store);
		t.match(trouble[0], /raise store\.max_bytes/);
		for (let at = 1; at < 20; at++) store.dequeue(1, at, null);
		await last.done;
		await until(() => store.counters.trouble === "");
		t.equal((await sequences(store)).length, count - 19);
	},
);

t.test("a database in memory has the limit too", async (t) => {
	const options = { path: ":memory:", maxBytes: 1 * MB, ballastBytes: MB };
	const { store } = await open(t, t.testdir(), options);
	const { last } = await fill(store);
	for (let at = 1; at < 20; at++) store.dequeue(1, at, null);
	await last.done;
	await until(() => store.counters.trouble === "");
});
