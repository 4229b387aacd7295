import t from "tap";
import { canTakeMessage } from "../../../src/session/queue-limits.ts";
import { QueuePart } from "../../../src/store/store.ts";
import { turns } from "./hand-store.ts";
import {
	acknowledge,
	committed,
	deliveryOf,
	makeContext,
	makeSession,
	NotingOutlet,
	subscriptionOf,
} from "./session-fixture.ts";

function setUp(
	settings: Record<string, string | number | boolean>,
	expirySeconds = 100,
) {
	const context = makeContext(settings);
	const session = makeSession(context, { expirySeconds });
	const subscription = subscriptionOf(session, "#");
	const deliver = (...payloads: string[]) => {
		for (const payload of payloads)
			session.deliver(deliveryOf(context, payload), subscription);
	};
	/** What the session would send to a new connection. */
	const readAll = async () => {
		await committed(context.store);
		const page = await context.store.readQueue(
			session.key,
			-1,
			99,
			99_999,
			QueuePart.All,
		);
		return page.messages.map((each) => each.message.payload.toString());
	};
	return { context, session, deliver, readAll };
}

t.test(
	"a full fifo queue of an offline client refuses the newest",
	async (t) => {
		const { context, session, deliver, readAll } = setUp({
			max_offline_messages: 2,
		});
		deliver("a", "b", "c");
		t.notOk(canTakeMessage(session));
		t.strictSame(await readAll(), ["a", "b"]);
		t.equal(session.queuedMessages, 2);
		t.equal(context.counters.droppedQueueFull, 1);
	},
);

t.test(
	"what is in flight does not count against max_online_messages",
	async (t) => {
		const { context, session, deliver } = setUp({ max_online_messages: 2 }, 0);
		const outlet = new NotingOutlet(1);
		session.attach(outlet);
		deliver("a", "b");
		t.ok(canTakeMessage(session));
		deliver("c", "d");
		t.notOk(canTakeMessage(session));
		t.equal(session.queuedMessages, 3);
		t.equal(context.counters.droppedQueueFull, 1);
		acknowledge(session, 1);
		acknowledge(session, 2);
		t.strictSame(outlet.take(), ["a q1 #1", "b q1 #2", "c q1 #3"]);
	},
);

t.test("a queue is bounded by bytes too", async (t) => {
	const { context, session, deliver, readAll } = setUp({
		max_queued_bytes: "2KB",
	});
	deliver("x".repeat(1500), "y".repeat(1500), "z");
	t.strictSame(
		(await readAll()).map((each) => each[0]),
		["x", "z"],
	);
	t.equal(context.counters.droppedQueueFull, 1);
	t.match(context.lines.join("\n"), /raise=max_queued_bytes/);
	t.equal(session.queuedMessages, 2);
});

t.test("limits of 0 keep nothing", async (t) => {
	for (const queue_type of ["fifo", "lifo"]) {
		const { session, deliver } = setUp({
			max_offline_messages: 0,
			max_online_messages: 0,
			queue_type,
		});
		deliver("a");
		t.equal(session.queuedMessages, 0);
		const outlet = new NotingOutlet(1);
		session.attach(outlet);
		deliver("b", "c");
		t.strictSame(outlet.take(), ["b q1 #1"]);
		t.equal(session.queuedMessages, 1);
	}
});

t.test(
	"a drop is logged once per client and interval, with the key to raise",
	async (t) => {
		const { context, session, deliver } = setUp({
			max_offline_messages: 1,
			max_online_messages: 1,
		});
		deliver("a", "b", "c", "d");
		t.equal(context.lines.length, 1);
		t.match(
			context.lines[0],
			/queue full.*client=client.*raise=max_offline_messages/,
		);
		context.clock.advance(10_000);
		session.attach(new NotingOutlet(1));
		deliver("e");
		t.equal(context.lines.length, 2);
		t.match(context.lines[1], /dropped_since=3.*raise=max_online_messages/);
	},
);

t.test(
	"a full lifo queue of a connected client drops its oldest",
	async (t) => {
		const { context, session, deliver } = setUp(
			{ queue_type: "lifo", max_online_messages: 2 },
			0,
		);
		const outlet = new NotingOutlet(1);
		session.attach(outlet);
		deliver("a", "b", "c", "d");
		t.equal(session.queuedMessages, 3);
		for (let id = 1; id <= 3; id++) acknowledge(session, id);
		t.strictSame(outlet.take(), ["a q1 #1", "d q1 #2", "c q1 #3"]);
		t.equal(context.messageBudget.used, 0);
	},
);

t.test("a full lifo queue of an offline client drops its oldest", async (t) => {
	const { session, deliver, readAll } = setUp({
		queue_type: "lifo",
		max_offline_messages: 2,
	});
	for (const payload of ["a", "b", "c", "d"]) {
		deliver(payload);
		await turns();
	}
	t.strictSame(await readAll(), ["c", "d"]);
	t.equal(session.queuedMessages, 2);
});

t.test(
	"a burst to a full lifo queue drops each of the oldest once",
	async (t) => {
		const { context, session, deliver, readAll } = setUp({
			queue_type: "lifo",
			max_offline_messages: 2,
		});
		deliver("a", "b", "c", "d", "e");
		await turns(30);
		t.equal((await readAll()).length, 2, "back within its limit");
		t.equal(session.queuedMessages, 2, "the count is that of the rows");
		t.equal(context.counters.queuedMessages, 2);
	},
);

t.test("a lifo queue whose oldest cannot be read says so", async (t) => {
	const { context, deliver } = setUp({
		queue_type: "lifo",
		max_offline_messages: 1,
	});
	context.store.readQueue = () => Promise.reject(new Error("no luck"));
	deliver("a", "b");
	await turns();
	t.match(context.lines.join("\n"), /cannot drop from a queue.*no luck/);
});

t.test(
	"a full lifo queue of a persistent client that is connected drops its oldest, in memory and on disk",
	async (t) => {
		const { context, session, deliver, readAll } = setUp({
			queue_type: "lifo",
			max_online_messages: 80,
		});
		const outlet = new NotingOutlet(1);
		session.attach(outlet);
		const payloads = Array.from({ length: 120 }, (_, i) => `${i}`);
		for (const payload of payloads) {
			deliver(payload);
			await turns(4);
		}
		await turns(20);
		t.strictSame(outlet.take(), ["0 q1 #1"], "what is in flight stays");
		const rows = await readAll();
		t.equal(rows.length, 81);
		t.strictSame(rows, ["0", ...payloads.slice(40)]);
		t.equal(session.queuedMessages, 81);
		for (let id = 1; session.queuedMessages > 0 && id < 100; id++) {
			acknowledge(session, id);
			await turns(10);
		}
		t.equal(context.counters.queuedMessages, 0);
		t.equal(context.messageBudget.used, 0);
	},
);

t.test("queue_overflow chooses whatever the queue's type is", async (t) => {
	for (const [queue_type, queue_overflow, kept] of [
		["fifo", "auto", ["a", "b"]],
		["lifo", "auto", ["b", "c"]],
		["fifo", "drop_oldest", ["b", "c"]],
		["lifo", "drop_newest", ["a", "b"]],
		["fifo", "reject", ["a", "b"]],
	] as const) {
		const { context, deliver, readAll } = setUp({
			max_offline_messages: 2,
			queue_type,
			queue_overflow,
		});
		deliver("a", "b");
		await readAll();
		deliver("c");
		await turns();
		t.strictSame(await readAll(), kept, `${queue_type} ${queue_overflow}`);
		t.equal(context.counters.droppedQueueFull, 1);
		const isRejected = queue_overflow === "reject";
		t.equal(context.counters.rejectedQueueFull, isRejected ? 1 : 0);
	}
});
