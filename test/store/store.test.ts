import { join } from "node:path";
import t, { type Test } from "tap";
import { type Clock, systemClock } from "../../src/platform/clock.ts";
import { DeliveryPhase, QueuePart, type Store } from "../../src/store/store.ts";
import {
	StoreClient,
	type StoreOptions,
} from "../../src/store/store-client.ts";
import { LateStore } from "../support/late-store.ts";
import {
	allRetained,
	allSessions,
	committed,
	entry,
	message,
	NotingTicket,
	retainedTopics,
	session,
	subscription,
} from "../support/store-fixtures.ts";

/** One suite for everything that claims to be a Store. */

interface Opened {
	readonly store: Store;
	/** Closes it and opens what it left; null where nothing is left by design. */
	readonly reopen: (() => Promise<Opened>) | null;
}
type OpenStore = (t: Test, clock?: Clock) => Promise<Opened>;

function options(path: string, clock: Clock): StoreOptions {
	return {
		path,
		clock,
		commitIntervalMs: 20,
		lazyIntervalMs: 60_000,
		onFatal: (error) => t.fail(error.message),
		onTrouble: (words) => t.fail(words),
		onNotice: (words) => t.fail(words),
	};
}

async function openClient(
	t: Test,
	path: string,
	clock: Clock,
): Promise<Opened> {
	const store = new StoreClient(options(path, clock));
	await store.open();
	t.teardown(() => store.close());
	const reopen = async () => {
		await store.close();
		return openClient(t, path, clock);
	};
	return { store, reopen: path === ":memory:" ? null : reopen };
}

function openLate(maxDelayMs: number): OpenStore {
	const wrap = (store: LateStore): Opened => ({
		store,
		reopen: async () => {
			await committed(store);
			return wrap(store.restart());
		},
	});
	return async (_t, clock) =>
		wrap(new LateStore({ maxDelayMs, seed: 7, ...(clock && { clock }) }));
}

const kinds: Record<string, OpenStore> = {
	"a file": (t, clock = systemClock) =>
		openClient(t, join(t.testdir(), "state", "store.db"), clock),
	":memory:": (t, clock = systemClock) => openClient(t, ":memory:", clock),
	"a late store": openLate(3),
	"a late store without delay": openLate(0),
};

for (const [kind, open] of Object.entries(kinds))
	t.test(kind, async (t) => {
		await t.test("sessions", (t) => sessions(t, open));
		await t.test("tickets and order", (t) => tickets(t, open));
		await t.test("queues", (t) => queues(t, open));
		await t.test("retained messages", (t) => retained(t, open));
		await t.test("values", (t) => values(t, open));
		await t.test("restart", (t) => restart(t, open));
	});

async function sessions(t: Test, open: OpenStore): Promise<void> {
	t.test("a read sees every write made before it", async (t) => {
		const { store } = await open(t);
		const will = {
			...message("will/topic", "gone", { qos: 2, retain: true }),
			delaySeconds: 30,
		};
		const first = session(1, { username: "anna", will });
		store.putSession(first, null);
		store.putSession(session(3, { expirySeconds: 0xffffffff }), null);
		store.putSubscription(1, subscription("a/#"), null);
		const shared = subscription("$share/g/b", {
			qos: 2,
			noLocal: true,
			retainAsPublished: true,
			identifier: 268_435_455,
		});
		store.putSubscription(1, shared, null);
		store.putReceivedId(1, 65535, null);
		store.putReceivedId(1, 7, null);
		store.putReceivedId(1, 7, null);
		const totals = { queuedMessages: 0, queuedBytes: 0, lastSequence: 0 };
		t.same(await allSessions(store), [
			{
				...first,
				...totals,
				subscriptions: [shared, subscription("a/#")],
				receivedIds: [7, 65535],
				lanes: [],
			},
			{
				...session(3, { expirySeconds: 0xffffffff }),
				...totals,
				subscriptions: [],
				receivedIds: [],
				lanes: [],
			},
		]);
	});

	t.test("replacing a session leaves what belongs to it alone", async (t) => {
		const { store } = await open(t);
		store.putSession(session(1), null);
		store.putSubscription(1, subscription("a"), null);
		store.putSubscription(1, subscription("b"), null);
		store.putSubscription(1, subscription("a", { qos: 0 }), null);
		store.deleteSubscription(1, "b", null);
		store.putReceivedId(1, 1, null);
		store.putReceivedId(1, 2, null);
		store.deleteReceivedId(1, 1, null);
		store.enqueue(1, 1, message("a"), entry(), 0, null);
		store.putSession(session(1, { disconnectedAtMs: 1234.5 }), null);
		const [saved] = await allSessions(store);
		t.match(saved, {
			subscriptions: [{ filter: "a", qos: 0 }],
			receivedIds: [2],
			queuedMessages: 1,
		});
	});

	t.test("deleting a session removes all that belongs to it", async (t) => {
		const { store } = await open(t);
		const both = message("t", "shared by both");
		for (const key of [1, 2]) {
			store.putSession(session(key), null);
			store.putSubscription(key, subscription("t"), null);
			store.putReceivedId(key, 5, null);
		}
		store.enqueue(1, 1, both, entry(), 0, null);
		store.enqueue(2, 1, both, entry(), 0, null);
		store.enqueue(1, 2, message("t"), entry(), 0, null);
		store.deleteSession(1, null);
		t.match(await allSessions(store), [{ key: 2, queuedMessages: 1 }]);
		t.same((await store.readQueue(1, -1, 9, 9999, QueuePart.All)).messages, []);
		const [left] = (await store.readQueue(2, -1, 9, 9999, QueuePart.All))
			.messages;
		t.equal(left?.message.payload.toString(), "shared by both");

		store.putSession(session(1), null);
		const [again] = await allSessions(store);
		t.match(again, { subscriptions: [], receivedIds: [], lastSequence: 0 });
	});
}

async function tickets(t: Test, open: OpenStore): Promise<void> {
	t.test("tickets are settled in the order of the writes", async (t) => {
		const { store } = await open(t);
		const notes: string[] = [];
		const all: Promise<void>[] = [];
		for (let turn = 0; turn < 5; turn++) {
			for (let i = 0; i < 4; i++) {
				const ticket = new NotingTicket(`${turn}${i}`, notes);
				all.push(ticket.done);
				store.putReceivedId(1, turn * 4 + i, ticket);
			}
			t.equal(store.counters.batchesInFlight >= 0, true);
			await new Promise(setImmediate);
		}
		await Promise.all(all);
		t.same(notes, notes.toSorted());
		t.equal(notes.length, 20);
	});

	t.test("a ticket waits for all of its operations", async (t) => {
		const { store } = await open(t);
		const notes: string[] = [];
		const ticket = new NotingTicket("owed", notes);
		ticket.hold();
		store.enqueue(1, 1, message("t"), entry(), 0, ticket);
		store.enqueue(2, 1, message("t"), entry(), 0, ticket);
		t.same(notes, []);
		await committed(store);
		t.same(notes, [], "the owner holds it still");
		ticket.settle();
		t.same(notes, ["owed"]);
	});

	t.test("nothing is pending when all is committed", async (t) => {
		const { store } = await open(t);
		store.enqueue(1, 1, message("t"), entry(), 0, null);
		await committed(store);
		t.equal(store.counters.pendingBytes, 0);
		t.equal(store.counters.batchesInFlight, 0);
		t.equal(store.counters.operations, 2);
	});
}

async function queues(t: Test, open: OpenStore): Promise<void> {
	t.test("a queued message comes back as it was given", async (t) => {
		const { store } = await open(t);
		const given = message("topic/ü", "", {
			qos: 2,
			retain: true,
			payload: Buffer.from([0, 255, 1]),
			properties: Buffer.from([3, 0, 1, 65]),
			expirySeconds: 90,
		});
		const queued = entry({
			retain: true,
			identifiers: [1, 268_435_455],
			sharedGroup: "group",
			phase: DeliveryPhase.Sent,
			packetId: 65535,
		});
		store.enqueue(1, 12, given, queued, 1_800_000_000_000, null);
		t.same(await store.readQueue(1, -1, 10, 9999, QueuePart.All), {
			messages: [
				{
					...queued,
					sequence: 12,
					message: given,
					expiresAtWallMs: 1_800_000_000_000,
				},
			],
			isLast: true,
		});
	});

	t.test("pages end at their bounds and go on behind a sequence", async (t) => {
		const { store } = await open(t);
		for (let sequence = 1; sequence <= 10; sequence++)
			store.enqueue(
				1,
				sequence,
				message("t", "x".repeat(99)),
				entry(),
				0,
				null,
			);
		const page = async (...args: [number, number, number, QueuePart]) => {
			const { messages, isLast } = await store.readQueue(1, ...args);
			return [messages.map(({ sequence }) => sequence), isLast];
		};
		t.same(await page(-1, 3, 9999, QueuePart.All), [[1, 2, 3], false]);
		t.same(await page(3, 100, 250, QueuePart.All), [[4, 5], false]);
		t.same(
			await page(3, 100, 1, QueuePart.All),
			[[4], false],
			"one comes always",
		);
		t.same(await page(7, 3, 9999, QueuePart.All), [[8, 9, 10], true]);
		t.same(await page(10, 3, 9999, QueuePart.All), [[], true]);
		t.same(await page(-1, 3, 9999, QueuePart.Newest), [[10, 9, 8], false]);
		t.same(await page(-1, 10, 9999, QueuePart.Newest), [
			[10, 9, 8, 7, 6, 5, 4, 3, 2, 1],
			true,
		]);
	});

	t.test(
		"bodies of all kinds come back in one page, in either order",
		async (t) => {
			const { store } = await open(t);
			const everyByte = Buffer.from(Array.from({ length: 256 }, (_, at) => at));
			const payloads = [
				"",
				everyByte,
				"ü",
				Buffer.from([0]),
				Buffer.from([0xc3]),
				"",
				Buffer.from([0xa4, 0, 0]),
				everyByte.toReversed(),
				"x".repeat(20_000),
			].map((payload) => Buffer.from(payload as Buffer));
			for (const [index, payload] of payloads.entries()) {
				const given = message("t", "", { payload });
				store.enqueue(1, index + 1, given, entry(), 0, null);
				// Every third one is shared with another queue.
				if (index % 3 === 2)
					store.enqueue(2, index + 1, given, entry(), 0, null);
			}
			store.markSent(1, 2, 7, null);
			const found = async (part: QueuePart) => {
				const page = await store.readQueue(1, -1, 99, 1e6, part);
				return page.messages.map((row) => row.message.payload.toString("hex"));
			};
			const all = payloads.map((payload) => payload.toString("hex"));
			const waiting = all.filter((_, index) => index !== 1);
			t.strictSame(await found(QueuePart.All), all);
			t.strictSame(await found(QueuePart.Sent), [all[1]]);
			t.strictSame(await found(QueuePart.Waiting), waiting);
			t.strictSame(await found(QueuePart.Newest), waiting.toReversed());
		},
	);

	t.test("a message goes from queued to sent to released", async (t) => {
		const { store } = await open(t);
		store.enqueue(1, 1, message("t"), entry({ qos: 2 }), 0, null);
		store.markSent(1, 1, 77, null);
		const read = () => store.readQueue(1, -1, 10, 9999, QueuePart.All);
		t.match(await read(), { messages: [{ phase: 1, packetId: 77 }] });
		store.markReleased(1, 1, null);
		t.match(await read(), { messages: [{ phase: 2, packetId: 77 }] });
		store.dequeue(1, 1, null);
		t.same(await read(), { messages: [], isLast: true });
	});

	t.test(
		"totals follow what is taken out, one by one or in rows",
		async (t) => {
			const { store } = await open(t);
			store.putSession(session(1), null);
			const shared = message("tt", "12345678");
			for (let sequence = 1; sequence <= 20; sequence++) {
				store.enqueue(1, sequence, shared, entry(), 0, null);
				if (sequence % 2 === 0)
					store.enqueue(2, sequence, shared, entry(), 0, null);
			}
			await committed(store);
			for (const sequence of [9, 3, 4, 5, 6, 1, 20, 4, 99])
				store.dequeue(1, sequence, null);
			t.match(await allSessions(store), [
				{ queuedMessages: 13, queuedBytes: 130, lastSequence: 20 },
			]);
			for (let sequence = 1; sequence <= 20; sequence++)
				store.dequeue(1, sequence, null);
			t.match(await allSessions(store), [
				{ queuedMessages: 0, queuedBytes: 0, lastSequence: 20 },
			]);
			const left = await store.readQueue(2, -1, 99, 9999, QueuePart.All);
			t.equal(left.messages.length, 10);
			t.equal(left.messages[0]?.message.payload.toString(), "12345678");
		},
	);
}

async function retained(t: Test, open: OpenStore): Promise<void> {
	const topics = [
		"$SYS/a",
		"$SYS/a/b",
		"/",
		"a",
		"a b/c",
		"a!",
		"a-/b",
		"a/",
		"a/+x",
		"a/b",
		"a/b/c",
		"a/c",
		"a/é/c",
		"a0",
		"b/b",
		"😀/b",
		"\uffee/b",
	];
	const filters: Record<string, string[]> = {
		"a/b": ["a/b"],
		"a/x": [],
		"a/#": ["a", "a/", "a/+x", "a/b", "a/b/c", "a/c", "a/é/c"],
		"a/b/#": ["a/b", "a/b/c"],
		"a/+": ["a/", "a/+x", "a/b", "a/c"],
		"a/+/c": ["a/b/c", "a/é/c"],
		"a/+/#": ["a/", "a/+x", "a/b", "a/b/c", "a/c", "a/é/c"],
		"+/b": ["a-/b", "a/b", "b/b", "😀/b", "\uffee/b"],
		"+": ["a", "a!", "a0"],
		"+/+": topics.filter(
			(x) => !x.startsWith("$") && x.split("/").length === 2,
		),
		"/+": ["/"],
		"#": topics.filter((topic) => !topic.startsWith("$")),
		"$SYS/#": ["$SYS/a", "$SYS/a/b"],
		"$SYS/+": ["$SYS/a"],
	};
	for (const lazy of [false, true])
		t.test(
			`every form of filter finds its topics, ${lazy ? "lazy" : "firm"} [MQTT-4.7.1-1] [MQTT-4.7.2-1]`,
			async (t) => {
				const { store } = await open(t);
				// Every second one lazy, so that both places are read.
				for (const [index, topic] of topics.entries()) {
					const isLazy = lazy && index % 2 === 0;
					store.putRetained(message(topic, `in ${topic}`), 0, isLazy, null);
				}
				for (const [filter, expected] of Object.entries(filters)) {
					const found = await allRetained(store, filter);
					t.same(
						found.map((each) => each.message.topic).sort(),
						expected.toSorted(),
						filter,
					);
					for (const { message } of found)
						t.equal(message.payload.toString(), `in ${message.topic}`);
				}
			},
		);

	t.test("a newer lazy value hides the one in the database", async (t) => {
		const { store } = await open(t);
		const payloads = async () =>
			(await allRetained(store, "#"))
				.map(({ message }) => `${message.topic}=${message.payload}`)
				.sort();
		for (const topic of ["a", "b", "c"])
			store.putRetained(message(topic, "1"), 0, false, null);
		await committed(store);
		store.putRetained(message("a", "2"), 0, true, null);
		store.putRetained(message("a", "3"), 0, true, null);
		store.deleteRetained("b", true, null);
		store.putRetained(message("d", "4"), 0, true, null);
		t.same(await payloads(), ["a=3", "c=1", "d=4"]);
		store.putRetained(message("a", "5"), 0, false, null);
		store.deleteRetained("d", false, null);
		t.same(await payloads(), ["a=5", "c=1"]);
	});

	t.test("a lazy write settles its ticket at once", async (t) => {
		const { store } = await open(t);
		const ticket = new NotingTicket("lazy", []);
		ticket.hold();
		store.putRetained(message("a"), 0, true, ticket);
		store.deleteRetained("b", true, ticket);
		ticket.settle();
		await ticket.done;
		t.equal(ticket.isPending, false);
	});

	t.test("an expired message is left out [MQTT-3.3.2-5]", async (t) => {
		let now = 1_000_000;
		const setTimer: Clock["setTimer"] = (callback, ms) =>
			setTimeout(callback, ms);
		const clock = { ...systemClock, setTimer, wallMs: () => now };
		const { store } = await open(t, clock);
		store.putRetained(message("a"), now + 500, false, null);
		store.putRetained(message("b"), now + 5000, false, null);
		store.putRetained(message("c"), now + 500, true, null);
		t.same(await retainedTopics(store, "#"), ["a", "b", "c"]);
		now += 500;
		t.same(await retainedTopics(store, "#"), ["b"]);
		t.same(await retainedTopics(store, "a"), []);
		now += 4500;
		t.same(await retainedTopics(store, "#"), []);
	});

	t.test("pages are bounded by messages and bytes", async (t) => {
		const { store } = await open(t);
		for (let i = 0; i < 9; i++)
			store.putRetained(message(`t/${i}`, "x".repeat(97)), 0, false, null);
		const scan = store.scanRetained("t/#", null);
		t.equal((await scan.next(3, 9999)).length, 3);
		t.equal((await scan.next(100, 250)).length, 2);
		t.equal((await scan.next(100, 1)).length, 1);
		scan.close();
		scan.close();
		t.same(await scan.next(100, 9999), []);
	});

	t.test("counts what is retained", async (t) => {
		const { store } = await open(t);
		store.putRetained(message("a", "12345"), 0, false, null);
		store.putRetained(message("b", "12345"), 0, false, null);
		store.putRetained(message("b", "1"), 0, false, null);
		store.putRetained(message("c"), 0, false, null);
		store.deleteRetained("c", false, null);
		store.deleteRetained("never", false, null);
		await committed(store);
		t.equal(store.counters.retainedMessages, 2);
		t.equal(store.counters.retainedBytes, 8);
	});
}

async function values(t: Test, open: OpenStore): Promise<void> {
	t.test("a value can be put, replaced, and removed", async (t) => {
		const { store } = await open(t);
		t.equal(await store.readValue("space", "name"), null);
		store.putValue("space", "name", Buffer.from("1"), null);
		store.putValue("space", "name", Buffer.from("2"), null);
		store.putValue("other", "name", Buffer.alloc(0), null);
		t.same(await store.readValue("space", "name"), Buffer.from("2"));
		t.same(await store.readValue("other", "name"), Buffer.alloc(0));
		store.putValue("space", "name", null, null);
		t.equal(await store.readValue("space", "name"), null);
	});
}

async function restart(t: Test, open: OpenStore): Promise<void> {
	t.test("everything comes back, with totals", async (t) => {
		const { store, reopen } = await open(t);
		if (reopen === null) return;
		store.putSession(session(1), null);
		store.putSubscription(1, subscription("a/#"), null);
		store.putReceivedId(1, 9, null);
		const shared = message("a/b", "1234567");
		store.enqueue(1, 1, shared, entry(), 0, null);
		store.enqueue(2, 1, shared, entry(), 0, null);
		store.enqueue(1, 2, message("a/b", "1234567"), entry(), 0, null);
		store.enqueue(1, 3, message("a/b", "1234567"), entry(), 0, null);
		store.markSent(1, 2, 5, null);
		store.dequeue(1, 3, null);
		store.putRetained(message("r"), 0, false, null);
		store.putRetained(message("lazy"), 0, true, null);
		store.putValue("space", "name", Buffer.from("1"), null);

		const again = (await reopen()).store;
		t.match(await allSessions(again), [
			{
				key: 1,
				subscriptions: [{ filter: "a/#" }],
				receivedIds: [9],
				queuedMessages: 2,
				queuedBytes: 20,
				lastSequence: 3,
			},
		]);
		t.match(await again.readQueue(1, -1, 9, 9999, QueuePart.All), {
			messages: [
				{ sequence: 1, phase: 0 },
				{ sequence: 2, phase: 1, packetId: 5 },
			],
		});
		t.equal(again.counters.retainedMessages, 2);
		t.same(await retainedTopics(again, "#"), ["lazy", "r"]);
		t.same(await again.readValue("space", "name"), Buffer.from("1"));
	});
}
