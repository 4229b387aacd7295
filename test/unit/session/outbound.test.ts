import t from "tap";
import type { InflightEntry } from "../../../src/session/inflight.ts";
import type { Session } from "../../../src/session/session.ts";
import { DeliveryPhase } from "../../../src/store/store.ts";
import { HandStore, turns } from "./hand-store.ts";
import {
	acknowledge,
	committed,
	deliveryOf,
	disconnect,
	makeContext,
	makeSession,
	NotingOutlet,
	NotingTicket,
	subscriptionOf,
	type TestContext,
} from "./session-fixture.ts";

/** What the session has in flight under this id. */
function inFlight(session: Session, packetId: number): InflightEntry {
	const entry = session.outbound?.inflight.get(packetId);
	if (entry === undefined) throw new Error(`nothing under id ${packetId}`);
	return entry;
}

function setUp(
	rest: {
		expirySeconds?: number;
		window?: number;
		settings?: Record<string, string | number | boolean>;
		context?: TestContext;
	} = {},
) {
	const context = rest.context ?? makeContext(rest.settings);
	const session = makeSession(context, {
		expirySeconds: rest.expirySeconds ?? 0,
	});
	const subscription = subscriptionOf(session, "#");
	const outlet = new NotingOutlet(rest.window);
	const outbound = session.attach(outlet);
	const deliver = (
		payload: string,
		fields: Parameters<typeof deliveryOf>[2] = {},
	) => session.deliver(deliveryOf(context, payload, fields), subscription);
	return { context, session, subscription, outlet, outbound, deliver };
}

t.test(
	"sends at most what the window takes [MQTT-3.3.4-9] [MQTT-4.9.0-2]",
	async (t) => {
		const { session, outlet, deliver } = setUp({ window: 2 });
		for (const payload of ["a", "b", "c", "d"]) deliver(payload);
		t.strictSame(outlet.take(), ["a q1 #1", "b q1 #2"]);
		acknowledge(session, 2);
		t.strictSame(outlet.take(), ["c q1 #3"]);
		acknowledge(session, 1);
		t.strictSame(outlet.take(), ["d q1 #4"]);
		t.equal(session.queuedMessages, 2);
	},
);

t.test("the window is the smallest of all limits", async (t) => {
	for (const settings of [
		{ max_inflight_messages: 2 },
		{ receive_max_client: 2 },
	]) {
		const { outlet, deliver } = setUp({ window: 9, settings });
		for (let i = 0; i < 5; i++) deliver(`${i}`);
		t.equal(outlet.take().length, 2);
	}
	const free = setUp({ settings: { max_inflight_messages: "unlimited" } });
	for (let i = 0; i < 50; i++) free.deliver(`${i}`);
	t.equal(free.outlet.take().length, 50);
});

t.test("QoS 0 passes a full window [MQTT-3.3.4-9]", async (t) => {
	const { outlet, deliver } = setUp({ window: 1 });
	deliver("a");
	deliver("b");
	deliver("zero", { qos: 0 });
	t.strictSame(outlet.take(), ["a q1 #1", "zero q0"]);
});

t.test("messages wait while the connection is congested", async (t) => {
	const { outlet, outbound, deliver } = setUp();
	outlet.isCongested = true;
	deliver("a");
	deliver("b");
	t.strictSame(outlet.take(), []);
	outlet.isCongested = false;
	outbound.pump();
	t.strictSame(outlet.take(), ["a q1 #1", "b q1 #2"]);
});

t.test("a message never overtakes one that waits [MQTT-4.6.0-5]", async (t) => {
	const { outlet, outbound, deliver } = setUp();
	outlet.isCongested = true;
	deliver("a");
	outlet.isCongested = false;
	deliver("b");
	outbound.pump();
	t.strictSame(outlet.take(), ["a q1 #1", "b q1 #2"]);
});

t.test(
	"QoS 2: PUBREL follows PUBREC, PUBCOMP ends it [MQTT-4.3.3-4]",
	async (t) => {
		const { context, session, outlet, outbound, deliver } = setUp();
		deliver("a", { qos: 2 });
		const entry = inFlight(session, 1);
		outbound.release(entry);
		t.strictSame(outlet.take(), ["a q2 #1", "pubrel #1"]);
		outbound.release(entry);
		t.strictSame(outlet.take(), ["pubrel #1"], "a repeated PUBREC is answered");
		outbound.complete(entry);
		t.equal(outbound.inflight.size, 0);
		t.equal(context.messageBudget.used, 0);
		t.equal(session.queuedMessages, 0);
		t.equal(session.queuedBytes, 0);
	},
);

t.test(
	"a message above the client's packet size counts as delivered [MQTT-3.1.2-25]",
	async (t) => {
		const { context, session, outlet, outbound, deliver } = setUp({
			expirySeconds: 100,
		});
		outlet.tooLarge = "large";
		deliver("large");
		deliver("large", { qos: 2 });
		outlet.isCongested = true;
		deliver("large");
		deliver("small");
		outlet.isCongested = false;
		await committed(context.store);
		outbound.pump();
		t.strictSame(outlet.take(), ["small q1 #4"]);
		t.equal(context.counters.droppedTooLarge, 3);
		t.equal(session.queuedMessages, 1);
		acknowledge(session, 4);
		t.equal(context.messageBudget.used, 0);
	},
);

t.test(
	"a QoS 0 message above the client's packet size is counted as dropped [MQTT-3.1.2-25]",
	async (t) => {
		const { context, outlet, deliver } = setUp();
		outlet.tooLarge = "large";
		deliver("large", { qos: 0 });
		t.equal(context.counters.droppedTooLarge, 1);
		t.equal(context.counters.publishSent, 0);
	},
);

t.test("what expired while it waited is not sent [MQTT-3.3.2-5]", async (t) => {
	const { context, session, outlet, deliver } = setUp({ window: 1 });
	deliver("a");
	deliver("b", { expirySeconds: 5 });
	deliver("c", { expirySeconds: 60 });
	context.clock.advance(5000);
	acknowledge(session, 1);
	t.strictSame(outlet.take(), ["a q1 #1", "c q1 #2 expires 55"]); // [MQTT-3.3.2-6]
	t.equal(context.counters.expired, 1);
	t.equal(session.queuedMessages, 1);
});

t.test(
	"the remaining expiry is rounded up and never 0 [MQTT-3.3.2-6]",
	async (t) => {
		const { context, outlet, outbound, deliver } = setUp();
		outlet.isCongested = true;
		deliver("a", { expirySeconds: 5 });
		context.clock.advance(4999);
		outlet.isCongested = false;
		outbound.pump();
		t.strictSame(outlet.take(), ["a q1 #1 expires 1"]);
	},
);

t.test(
	"after a reconnect in-flight messages are sent again, in order, with their ids and DUP [MQTT-4.4.0-1] [MQTT-3.3.1-1] [MQTT-4.6.0-1]",
	async (t) => {
		const { context, session, outlet, outbound, deliver } = setUp({
			expirySeconds: 100,
		});
		deliver("a");
		deliver("b", { qos: 2 });
		deliver("c", { qos: 2 });
		deliver("d");
		await committed(context.store);
		t.strictSame(outlet.take(), ["a q1 #1", "d q1 #4", "b q2 #2", "c q2 #3"]);
		outbound.release(inFlight(session, 2));
		await committed(context.store);
		disconnect(session);
		t.equal(context.messageBudget.used, 0, "nothing stays in memory");
		t.equal(session.queuedMessages, 4);

		const again = new NotingOutlet();
		session.attach(again).pump();
		await committed(context.store);
		t.strictSame(again.take(), [
			"a q1 #1 dup",
			"pubrel #2",
			"c q2 #3 dup",
			"d q1 #4 dup",
		]);
	},
);

t.test(
	"a smaller Receive Maximum is kept on resumption [MQTT-3.3.4-9]",
	async (t) => {
		const { context, session, deliver } = setUp({ expirySeconds: 100 });
		for (const payload of ["a", "b", "c"]) deliver(payload);
		disconnect(session);
		const again = new NotingOutlet(1);
		session.attach(again).pump();
		await committed(context.store);
		t.strictSame(again.take(), ["a q1 #1 dup"]);
		acknowledge(session, 1);
		t.strictSame(again.take(), ["b q1 #2 dup"]);
	},
);

t.test(
	"a resumed QoS 1 message may expire, a QoS 2 message may not [MQTT-4.3.3-7]",
	async (t) => {
		const { context, session, deliver } = setUp({ expirySeconds: 100 });
		deliver("one", { expirySeconds: 5 });
		deliver("two", { qos: 2, expirySeconds: 5 });
		await committed(context.store);
		disconnect(session);
		context.clock.advance(6000);
		const again = new NotingOutlet();
		session.attach(again).pump();
		await committed(context.store);
		t.strictSame(again.take(), ["two q2 #2 dup expires 1"]);
		t.equal(context.counters.expired, 1);
	},
);

t.test("a new message waits behind what is resumed", async (t) => {
	const { session, deliver } = setUp({ expirySeconds: 100 });
	deliver("a");
	disconnect(session);
	deliver("b");
	const again = new NotingOutlet();
	session.attach(again).pump();
	deliver("c");
	t.strictSame(again.take(), [], "the page has not come yet");
	await turns(20);
	t.strictSame(again.take(), ["a q1 #1 dup", "b q1 #2", "c q1 #3"]);
});

t.test("a long queue is read page by page, in order", async (t) => {
	const { context, session, outlet, deliver } = setUp({
		expirySeconds: 100,
		window: 1,
		settings: { max_online_messages: "unlimited" },
	});
	for (let i = 0; i < 300; i++) deliver(`${i}`);
	t.ok(session.outbound?.queue.isSpilled);
	const received: string[] = [];
	for (let i = 0; i < 300; i++) {
		await turns(2);
		const [note] = outlet.take();
		received.push(note?.split(" ")[0] ?? "nothing");
		const packetId = session.outbound?.inflight.entries()[0]?.packetId;
		acknowledge(session, packetId ?? 0);
		if (i === 100) deliver("300");
		await committed(context.store);
	}
	t.strictSame(
		received,
		Array.from({ length: 300 }, (_, i) => `${i}`),
	);
	t.strictSame(outlet.take(), ["300 q1 #301"]);
	acknowledge(session, 301);
	await committed(context.store);
	t.notOk(session.outbound?.queue.isSpilled);
	t.equal(session.queuedMessages, 0);
	t.equal(context.messageBudget.used, 0);
});

t.test("memory holds the head of a long queue only", async (t) => {
	const { context, deliver } = setUp({
		expirySeconds: 100,
		window: 1,
		settings: { max_online_messages: "unlimited" },
	});
	for (let i = 0; i < 1000; i++) deliver("x".repeat(1000));
	t.ok(context.messageBudget.used < 140 * 1024);
});

t.test(
	"QoS 2 of a persistent session is sent when message and id are on disk",
	async (t) => {
		const clock = makeContext().clock;
		const hand = new HandStore(clock);
		const context = makeContext({}, hand.store);
		hand.hold();
		const { session, outlet, outbound, deliver } = setUp({
			expirySeconds: 100,
			context,
		});
		const notes: string[] = [];
		const ticket = new NotingTicket("publisher", notes);
		ticket.hold();
		deliver("a", { qos: 2, ticket });
		ticket.settle();
		deliver("b", { qos: 1 });
		await turns();
		t.strictSame(outlet.take(), ["b q1 #2"], "QoS 1 does not wait");
		t.strictSame(notes, []);
		await hand.step();
		t.strictSame(outlet.take(), ["a q2 #1"]);
		t.strictSame(notes, ["publisher"]);

		const entry = inFlight(session, 1);
		outbound.release(entry);
		outbound.release(entry);
		await turns();
		t.strictSame(outlet.take(), [], "PUBREL waits for its phase");
		await hand.step();
		t.strictSame(outlet.take(), ["pubrel #1"]);
	},
);

t.test(
	"a queued QoS 2 message is sent when its packet id is on disk",
	async (t) => {
		const hand = new HandStore(makeContext().clock);
		const context = makeContext({}, hand.store);
		hand.hold();
		const { session, outlet, deliver } = setUp({
			expirySeconds: 100,
			window: 1,
			context,
		});
		deliver("a");
		deliver("b", { qos: 2 });
		await hand.step();
		acknowledge(session, 1);
		await turns();
		t.strictSame(outlet.take(), ["a q1 #1"]);
		await hand.step();
		t.strictSame(outlet.take(), ["b q2 #2"]);
	},
);

t.test("a commit for a connection that is gone sends nothing", async (t) => {
	const hand = new HandStore(makeContext().clock);
	const context = makeContext({}, hand.store);
	hand.hold();
	const { session, outlet, deliver } = setUp({ expirySeconds: 100, context });
	deliver("a", { qos: 2 });
	disconnect(session);
	const again = new NotingOutlet();
	session.attach(again).pump();
	await hand.release();
	t.strictSame(outlet.take(), []);
	t.equal(again.take().length, 1, "the new connection gets it, once");
});

t.test("a page for a connection that is gone is ignored", async (t) => {
	const hand = new HandStore(makeContext().clock);
	const context = makeContext({}, hand.store);
	const { session, deliver } = setUp({ expirySeconds: 100, context });
	deliver("a");
	disconnect(session);
	hand.hold();
	const lost = new NotingOutlet();
	session.attach(lost).pump();
	session.detach();
	const again = new NotingOutlet();
	session.attach(again).pump();
	await hand.release();
	t.strictSame(lost.take(), []);
	t.strictSame(again.take(), ["a q1 #1 dup"]);
});

t.test(
	"retry sends again what was sent before [v3.1 section 4.2]",
	async (t) => {
		const hand = new HandStore(makeContext().clock);
		const context = makeContext({}, hand.store);
		const { session, outlet, outbound, deliver } = setUp({
			expirySeconds: 100,
			context,
		});
		deliver("one");
		deliver("two", { qos: 2 });
		deliver("released", { qos: 2 });
		await committed(context.store);
		outbound.release(inFlight(session, 3));
		await committed(context.store);
		hand.hold();
		deliver("pending", { qos: 2 });
		outlet.take();
		outbound.retry();
		t.strictSame(outlet.take(), [
			"one q1 #1 dup",
			"two q2 #2 dup",
			"pubrel #3",
		]);
	},
);

t.test("lifo: the newest first, from memory and from the store", async (t) => {
	for (const expirySeconds of [0, 100]) {
		const { context, session, outlet, deliver } = setUp({
			expirySeconds,
			window: 1,
			settings: { queue_type: "lifo", max_online_messages: 500 },
		});
		for (let i = 0; i < 200; i++) deliver(`${i}`);
		const received: number[] = [];
		for (let i = 0; i < 200; i++) {
			await committed(context.store);
			received.push(Number(outlet.take()[0]?.split(" ")[0]));
			const [entry] = session.outbound?.inflight.entries() ?? [];
			acknowledge(session, entry?.packetId ?? 0);
		}
		t.strictSame(
			received.toSorted((a, b) => a - b),
			Array.from({ length: 200 }, (_, i) => i),
			"each once",
		);
		t.equal(session.queuedMessages, 0);
		t.equal(context.messageBudget.used, 0);
	}
});

t.test(
	"lifo: large messages in flight do not hide what waits behind them in the store",
	async (t) => {
		const { context, session, deliver } = setUp({
			expirySeconds: 100,
			settings: { queue_type: "lifo" },
		});
		disconnect(session);
		for (let i = 0; i < 20; i++) deliver(`${i} `.padEnd(60_000, "."));
		const { store } = context;
		const readQueue = store.readQueue.bind(store);
		let reads = 0;
		store.readQueue = (...request) => {
			reads++;
			return readQueue(...request);
		};
		const outlet = new NotingOutlet(4);
		session.attach(outlet).pump();
		await turns(100);
		t.strictSame(
			outlet.take().map((note) => note.split(" ")[0]),
			["19", "18", "17", "16"],
			"the window is filled",
		);
		t.ok(reads < 10, `${reads} reads while nothing is acknowledged`);
	},
);

t.test("lifo offline: the newest comes first after a reconnect", async (t) => {
	const { session, deliver } = setUp({
		expirySeconds: 100,
		settings: { queue_type: "lifo" },
	});
	session.detach();
	for (const payload of ["a", "b", "c"]) deliver(payload);
	const again = new NotingOutlet(1);
	session.attach(again).pump();
	const received: string[] = [];
	for (let i = 0; i < 3; i++) {
		await turns(20);
		received.push(...again.take());
		acknowledge(session, i + 1);
	}
	t.strictSame(received, ["c q1 #1", "b q1 #2", "a q1 #3"]);
});

t.test(
	"lifo: a resumed QoS 2 message keeps its packet id [MQTT-4.4.0-1]",
	async (t) => {
		const { context, session, outlet, deliver } = setUp({
			expirySeconds: 100,
			window: 1,
			settings: { queue_type: "lifo" },
		});
		deliver("sent", { qos: 2 });
		deliver("newer", { qos: 2 });
		await committed(context.store);
		t.strictSame(outlet.take(), ["sent q2 #1"]);
		disconnect(session);
		const again = new NotingOutlet();
		session.attach(again).pump();
		await committed(context.store);
		await committed(context.store);
		t.ok(again.take().includes("sent q2 #1 dup"));
		t.equal(inFlight(session, 1).phase, DeliveryPhase.Sent);
	},
);

t.test("a read that fails is logged, and a later one is tried", async (t) => {
	const context = makeContext();
	const { session, deliver } = setUp({ expirySeconds: 100, context });
	deliver("a");
	disconnect(session);
	const readQueue = context.store.readQueue;
	context.store.readQueue = () => Promise.reject(new Error("no luck"));
	const again = new NotingOutlet();
	const outbound = session.attach(again);
	outbound.pump();
	await turns();
	t.match(context.lines.join("\n"), /cannot read a queue.*no luck/);
	context.store.readQueue = readQueue;
	outbound.pump();
	await turns();
	t.strictSame(again.take(), ["a q1 #1 dup"]);
});
