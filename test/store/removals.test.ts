/** Removals that follow each other in a queue travel as one; what stays must not show it. */
import t, { type Test } from "tap";
import { QueuePart } from "../../src/store/store.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { HandDisk } from "../support/hand-disk.ts";
import {
	allSessions,
	committed,
	entry,
	message,
	session,
} from "../support/store-fixtures.ts";

t.test("in order, out of order, twice, and of what is not there", async (t) => {
	const { store, put, left } = await opened(t);
	put(1, 9);
	await committed(store);
	for (const sequence of [2, 3, 4, 7, 6, 3, 9, 12]) {
		store.dequeue(1, sequence, null);
	}
	t.same(await left(), [1, 5, 8]);
});

t.test("of an entry that came in the same batch, later", async (t) => {
	const { store, put, left } = await opened(t);
	put(1, 2);
	await committed(store);
	store.dequeue(1, 1, null);
	put(3, 4);
	for (const sequence of [2, 3]) store.dequeue(1, sequence, null);
	t.same(await left(), [4]);
});

t.test("of the next queue with the same number", async (t) => {
	const { store, put, left } = await opened(t);
	put(1, 3);
	await committed(store);
	store.dequeue(1, 1, null);
	store.deleteSession(1, null);
	store.putSession(session(1), null);
	put(2, 3);
	store.dequeue(1, 2, null);
	t.same(await left(), [3]);
});

async function opened(t: Test) {
	const disk = new HandDisk({
		clock: new FakeClock(),
		commitIntervalMs: 50,
		lazyIntervalMs: 5000,
	});
	const { store } = disk;
	await store.open();
	t.teardown(() => store.close());
	store.putSession(session(1), null);
	return {
		store,
		/** Messages of these sequences. */
		put(from: number, to: number): void {
			for (let sequence = from; sequence <= to; sequence++) {
				store.enqueue(1, sequence, message("t"), entry(), 0, null);
			}
		},
		/** The sequences in the queue, which its total has to agree with. */
		async left(): Promise<number[]> {
			await committed(store);
			const { messages } = await store.readQueue(
				1,
				-1,
				100,
				1_000_000,
				QueuePart.All,
			);
			const [saved] = await allSessions(store);
			t.equal(saved?.queuedMessages, messages.length);
			return messages.map(({ sequence }) => sequence);
		},
	};
}
