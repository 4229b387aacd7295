/** A question to the worker behind everything that it was given, which costs no write. */
import t, { type Test } from "tap";
import { FakeClock } from "../support/fake-clock.ts";
import { HandDisk } from "../support/hand-disk.ts";
import {
	entry,
	message,
	NotingTicket,
	session,
} from "../support/store-fixtures.ts";
import { turns } from "../unit/session/hand-store.ts";

t.test("is answered behind what the worker was given before", async (t) => {
	const { disk, store } = await opened(t);
	disk.hold();
	const notes: string[] = [];
	store.putSession(session(1), new NotingTicket("commit", notes));
	await turns();
	const barrier = store.barrier().then(() => notes.push("barrier"));
	await turns();
	t.strictSame(notes, []);
	disk.release();
	await barrier;
	t.strictSame(notes, ["commit", "barrier"]);
});

t.test("writes nothing, not even what waits for company", async (t) => {
	const { store } = await opened(t);
	store.putSession(session(1), null);
	store.enqueue(1, 1, message("a"), entry(), 0, null);
	await store.barrier();
	await turns();
	await store.barrier();
	const { commits } = store.counters;
	store.dequeue(1, 1, null);
	store.enqueue(1, 2, message("b"), entry({ phase: 1 }), 0, null, true);
	for (let i = 0; i < 10; i++) await store.barrier();
	t.equal(store.counters.commits, commits);
});

t.test("a disk in trouble still answers", async (t) => {
	const { disk, store } = await opened(t);
	disk.breakDisk();
	store.putSession(session(1), null);
	await turns();
	await store.barrier();
	t.not(store.counters.trouble, "");
	disk.mendDisk();
});

t.test("a store that is not open has no answer", async (t) => {
	const disk = new HandDisk(options());
	await t.rejects(disk.store.barrier(), /not open/);
});

function options() {
	return { clock: new FakeClock(), commitIntervalMs: 50, lazyIntervalMs: 5000 };
}

async function opened(t: Test) {
	const disk = new HandDisk(options());
	const { store } = disk;
	await store.open();
	t.teardown(() => {
		disk.release();
		return store.close();
	});
	return { disk, store };
}
