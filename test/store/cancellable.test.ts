import t, { type Test } from "tap";
import { DeliveryPhase, QueuePart } from "../../src/store/store.ts";
import type { StoreClient } from "../../src/store/store-client.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { HandDisk } from "../support/hand-disk.ts";
import { entry, message, NotingTicket } from "../support/store-fixtures.ts";
import { turns } from "../unit/session/hand-store.ts";

/** Entries that wait for the client's acknowledgement, and removals that wait for company. */

async function open(t: Test, commitIntervalMs = 50) {
	const clock = new FakeClock();
	const disk = new HandDisk({ clock, commitIntervalMs, lazyIntervalMs: 5000 });
	const { store } = disk;
	await store.open();
	t.teardown(() => store.close());
	const notes: string[] = [];
	let last = 0;
	const send = (key: number, name: string, isCancellable = true) => {
		const ticket = new NotingTicket(name, notes);
		const sequence = ++last;
		const given = message("a", name);
		store.enqueue(key, sequence, given, entry(), 0, ticket, isCancellable);
		return sequence;
	};
	return { clock, store, notes, send };
}

async function rows(store: StoreClient, key: number): Promise<string[]> {
	const page = await store.readQueue(key, -1, 100, 1e6, QueuePart.All);
	return page.messages.map((row) => row.message.payload.toString());
}

t.test("an entry acknowledged in time is never written", async (t) => {
	const { clock, store, notes, send } = await open(t);
	const sequence = send(1, "m");
	await clock.advanceAsync(49);
	t.strictSame(notes, []);
	store.dequeue(1, sequence, null);
	t.strictSame(notes, [], "its publisher hears of it after the stack is empty");
	await turns();
	t.strictSame(notes, ["m"], "nothing is owed");
	await clock.advanceAsync(10_000);
	t.match(store.counters, { commits: 0, cancelled: 1, pendingBytes: 0 });
});

t.test("an entry not acknowledged in time is written", async (t) => {
	const { clock, store, notes, send } = await open(t);
	send(1, "m");
	await clock.advanceAsync(51);
	await turns();
	t.strictSame(notes, ["m"]);
	t.equal(store.counters.commits, 1);
	t.strictSame(await rows(store, 1), ["m"]);
});

t.test(
	"entries that have waited for a while leave with an older one",
	async (t) => {
		const { clock, store, notes, send } = await open(t);
		send(1, "old");
		await clock.advanceAsync(20);
		send(2, "middle");
		await clock.advanceAsync(20);
		send(3, "young");
		await clock.advanceAsync(10);
		await turns();
		t.strictSame(notes, ["old", "middle"]);
		await clock.advanceAsync(40);
		await turns();
		t.strictSame(notes, ["old", "middle", "young"]);
		t.equal(store.counters.commits, 2);
	},
);

t.test(
	"a commit for others leaves entries behind, but not those of its own sessions",
	async (t) => {
		const { store, notes, send } = await open(t);
		send(1, "mine");
		const other = send(2, "other");
		send(1, "mine too", false);
		await turns(20);
		t.strictSame(notes, ["mine", "mine too"]);
		store.dequeue(2, other, null);
		await turns();
		t.strictSame(notes, ["mine", "mine too", "other"]);
		t.strictSame(await rows(store, 1), ["mine", "mine too"]);
		t.strictSame(await rows(store, 2), []);
	},
);

t.test(
	"a lost connection ends the waiting, and the packet id is in the row at once",
	async (t) => {
		const { store, notes, send } = await open(t);
		const sequence = send(1, "m");
		store.markSent(1, sequence, 7, null);
		await turns(20);
		t.strictSame(notes, ["m"]);
		t.equal(store.counters.operations, 1, "one write for both");
		const page = await store.readQueue(1, -1, 9, 1e6, QueuePart.Sent);
		t.match(page.messages, [{ phase: DeliveryPhase.Sent, packetId: 7 }]);
	},
);

t.test(
	"a message in three queues is right when one of them is acknowledged in time",
	async (t) => {
		for (const acknowledged of [1, 2, 3]) {
			const { clock, store } = await open(t);
			const notes: string[] = [];
			const ticket = new NotingTicket("m", notes);
			const given = message("a", "m");
			for (const key of [1, 2, 3])
				store.enqueue(key, 1, given, entry(), 0, ticket, key !== 3);
			store.dequeue(acknowledged, 1, null);
			await clock.advanceAsync(60);
			await turns(20);
			t.strictSame(notes, ["m"]);
			const left = [1, 2, 3].filter((key) => key !== acknowledged);
			for (const key of left) t.strictSame(await rows(store, key), ["m"]);
			t.strictSame(await rows(store, acknowledged), []);
		}
	},
);

t.test("a read of a queue sees entries that wait", async (t) => {
	const { store, send } = await open(t);
	send(1, "m");
	send(2, "n");
	t.strictSame(await rows(store, 1), ["m"]);
	t.equal(store.counters.commits, 1);
});

t.test("the end of a session takes its entries along", async (t) => {
	const { store, notes, send } = await open(t);
	send(1, "m");
	store.deleteSession(1, null);
	await turns(20);
	t.strictSame(notes, ["m"]);
	t.strictSame(await rows(store, 1), []);
});

t.test("without an interval nothing waits", async (t) => {
	const { notes, send } = await open(t, 0);
	send(1, "m");
	await turns(20);
	t.strictSame(notes, ["m"]);
});

t.test("entries that hold much memory do not wait", async (t) => {
	const { notes, send } = await open(t);
	for (let i = 0; i < 12; i++) send(1, `${i}`.padEnd(100_000));
	await turns(20);
	t.ok(notes.length >= 10);
});

t.test("a removal leaves with the next batch", async (t) => {
	const { clock, store, send } = await open(t);
	const first = send(1, "m", false);
	await turns(20);
	store.dequeue(1, first, null);
	await clock.advanceAsync(4000);
	t.equal(store.counters.commits, 1);
	send(2, "n", false);
	await turns(20);
	t.equal(store.counters.commits, 2);
	await clock.advanceAsync(10_000);
	t.equal(store.counters.commits, 2, "nothing is left to write");
});

t.test("a removal leaves alone after the lazy interval", async (t) => {
	const { clock, store, send } = await open(t);
	store.dequeue(1, send(1, "m", false), null);
	await turns(20);
	const second = send(1, "n", false);
	await turns(20);
	store.dequeue(1, second, null);
	const { commits } = store.counters;
	await clock.advanceAsync(5001);
	await turns(20);
	t.equal(store.counters.commits, commits + 1);
});

t.test("a page behind what was removed costs no commit", async (t) => {
	const { store, send } = await open(t);
	const sequences = Array.from({ length: 9 }, (_, at) =>
		send(1, `${at}`, false),
	);
	await turns(20);
	const { commits } = store.counters;
	const page = async (after: number, part: QueuePart) => {
		const { messages } = await store.readQueue(1, after, 3, 1e6, part);
		return messages.map(({ message }) => message.payload.toString());
	};
	for (const sequence of sequences.slice(0, 3))
		store.dequeue(1, sequence, null);
	t.strictSame(await page(3, QueuePart.Waiting), ["3", "4", "5"]);
	send(2, "of another session");
	t.strictSame(await page(6, QueuePart.Waiting), ["6", "7", "8"]);
	t.equal(store.counters.commits, commits);
	store.dequeue(1, 9, null);
	t.strictSame(
		await page(6, QueuePart.Waiting),
		["6", "7"],
		"but it sees what concerns it",
	);
	t.equal(store.counters.commits, commits + 1);
	store.dequeue(1, 8, null);
	t.strictSame(await page(8, QueuePart.Newest), ["6", "5", "4"]);
	store.dequeue(1, 4, null);
	store.markSent(1, 5, 7, null);
	t.strictSame(await page(5, QueuePart.Waiting), ["5", "6"]);
	t.equal(store.counters.commits, commits + 3);
});

t.test("many removals do not wait", async (t) => {
	const { store, send } = await open(t);
	const sequences = Array.from({ length: 1000 }, () => send(1, "m", false));
	await turns(20);
	const { commits } = store.counters;
	for (const sequence of sequences) store.dequeue(1, sequence, null);
	await turns(20);
	t.equal(store.counters.commits, commits + 1);
});

t.test("closing writes what waits", async (t) => {
	const { store, notes, send } = await open(t);
	send(1, "m");
	await store.close();
	t.strictSame(notes, ["m"]);
});
