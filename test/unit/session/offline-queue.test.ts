import t from "tap";
import { OfflineQueue } from "../../../src/session/offline-queue.ts";
import { entryOf } from "./session-fixture.ts";

function filled(count: number): OfflineQueue {
	const queue = new OfflineQueue();
	for (let sequence = 1; sequence <= count; sequence++)
		queue.push(entryOf(undefined, { sequence }));
	return queue;
}

function takeAll(queue: OfflineQueue, newestFirst: boolean): number[] {
	const taken: number[] = [];
	for (;;) {
		const entry = queue.take(newestFirst);
		if (entry === undefined) return taken;
		taken.push(entry.sequence);
	}
}

t.test("gives the oldest first, or the newest", async (t) => {
	t.strictSame(takeAll(filled(4), false), [1, 2, 3, 4]);
	t.strictSame(takeAll(filled(4), true), [4, 3, 2, 1]);
	const both = filled(4);
	both.take(false);
	both.take(true);
	t.strictSame(
		both.entries().map((entry) => entry.sequence),
		[2, 3],
	);
	t.equal(both.length, 2);
});

t.test("keeps order and length over thousands of messages", async (t) => {
	const queue = new OfflineQueue();
	const taken: number[] = [];
	let sequence = 0;
	for (let round = 0; round < 1000; round++) {
		for (let i = 0; i < 3; i++)
			queue.push(entryOf(undefined, { sequence: ++sequence }));
		for (let i = 0; i < 2; i++) taken.push(queue.take(false)?.sequence ?? -1);
		if (queue.length !== round + 1) t.fail(`length ${queue.length}`);
	}
	t.strictSame(
		taken,
		Array.from({ length: 2000 }, (_, i) => i + 1),
	);
});

t.test("counts the bytes it holds", async (t) => {
	const queue = filled(3);
	const each = queue.entries()[0]?.message.size ?? 0;
	t.equal(queue.bytes, 3 * each);
	queue.take(false);
	t.equal(queue.bytes, 2 * each);
	queue.take(true);
	queue.take(true);
	queue.take(true);
	t.equal(queue.bytes, 0, "nothing is taken from an empty queue");
	t.equal(queue.length, 0);
	const cleared = filled(3);
	cleared.clear();
	t.equal(cleared.bytes, 0);
	t.equal(cleared.length, 0);
});

t.test("is full by number or by bytes", async (t) => {
	t.notOk(filled(63).isFull);
	t.ok(filled(64).isFull);
	const heavy = new OfflineQueue();
	heavy.push(entryOf(undefined, { payload: "x".repeat(128 * 1024) }));
	t.ok(heavy.isFull);
});

t.test("its cursor is the highest sequence it was given", async (t) => {
	const queue = new OfflineQueue();
	t.equal(queue.cursor, 0);
	queue.push(entryOf(undefined, { sequence: 8 }));
	queue.push(entryOf(undefined, { sequence: 5 }));
	queue.take(false);
	t.equal(queue.cursor, 8);
	t.notOk(queue.holds(8));
	t.ok(queue.holds(5));
});

t.test(
	"wants a page when it is spilled and runs low, one at a time",
	async (t) => {
		const queue = filled(16);
		t.notOk(queue.wantsPage, "everything is in memory");
		queue.isSpilled = true;
		t.notOk(queue.wantsPage, "there is enough");
		queue.take(false);
		t.ok(queue.wantsPage);
		t.equal(queue.pageMessages, 64 - 15);
		t.ok(queue.pageBytes > 0);
		queue.isLoading = true;
		t.notOk(queue.wantsPage, "one is on its way");
		t.equal(filled(70).pageMessages, 1, "never an empty page");
	},
);

t.test("what is sent again goes before what was never sent", async (t) => {
	const queue = filled(2);
	for (const sequence of [7, 8])
		queue.pushResent(entryOf(undefined, { sequence }));
	t.equal(queue.take(true)?.sequence, 7, "whatever the queue's type");
	t.strictSame(takeAll(queue, false), [8, 1, 2]);
	t.equal(queue.bytes, 0);
});

t.test("a message can be taken out of the middle", async (t) => {
	const queue = filled(3);
	queue.take(false);
	t.equal(queue.remove(1), undefined, "it is gone already");
	t.equal(queue.remove(3)?.sequence, 3);
	t.strictSame(takeAll(queue, false), [2]);
	t.equal(queue.bytes, 0);
});
