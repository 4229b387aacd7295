import t from "tap";
import { Subscription } from "../../../src/session/subscription.ts";
import { QueuePart } from "../../../src/store/store.ts";
import { StoredMessage } from "../../../src/store/stored-message.ts";
import {
	acknowledge,
	committed,
	deliveryOf,
	makeContext,
	makeSession,
	message,
	NotingOutlet,
	NotingTicket,
	subscriptionOf,
} from "./session-fixture.ts";

t.test(
	"delivers with the lower of published and granted QoS [MQTT-3.8.4-8]",
	async (t) => {
		const context = makeContext();
		for (const published of [0, 1, 2] as const)
			for (const granted of [0, 1, 2] as const) {
				const session = makeSession(context);
				const outlet = new NotingOutlet();
				session.attach(outlet);
				const subscription = subscriptionOf(session, "#", { qos: granted });
				session.deliver(
					deliveryOf(context, "m", { qos: published }),
					subscription,
				);
				t.match(outlet.take()[0], `m q${Math.min(published, granted)}`);
			}
	},
);

t.test("upgrade_outgoing_qos delivers with the granted QoS", async (t) => {
	const context = makeContext({ upgrade_outgoing_qos: "on" });
	const session = makeSession(context);
	const outlet = new NotingOutlet();
	session.attach(outlet);
	session.deliver(
		deliveryOf(context, "m", { qos: 0 }),
		subscriptionOf(session, "#", { qos: 2 }),
	);
	t.strictSame(outlet.take(), ["m q2 #1"]);
});

t.test(
	"a message of its own is kept back by No Local [MQTT-3.8.3-3]",
	async (t) => {
		const context = makeContext();
		const session = makeSession(context, { clientId: "me" });
		const outlet = new NotingOutlet();
		session.attach(outlet);
		const mine = deliveryOf(context, "mine", { publisherId: "me" });
		const theirs = deliveryOf(context, "theirs", { publisherId: "you" });
		const quiet = subscriptionOf(session, "a/#", { noLocal: true });
		session.deliver(mine, quiet);
		session.deliver(theirs, quiet);
		t.strictSame(outlet.take(), ["theirs q1 #1"]);
		const merged = Subscription.merge([
			quiet,
			subscriptionOf(session, "a/b", { qos: 0, identifier: 4 }),
		]);
		session.deliver(mine, merged);
		t.strictSame(outlet.take(), ["mine q0 ids 4"]);
	},
);

t.test(
	"the RETAIN flag passes only with Retain As Published [MQTT-3.3.1-12] [MQTT-3.3.1-13]",
	async (t) => {
		const context = makeContext();
		const session = makeSession(context);
		const outlet = new NotingOutlet();
		session.attach(outlet);
		const plain = subscriptionOf(session, "a");
		const asPublished = subscriptionOf(session, "b", {
			retainAsPublished: true,
		});
		for (const retain of [false, true])
			for (const subscription of [plain, asPublished])
				session.deliver(
					deliveryOf(context, "m", { qos: 0, retain }),
					subscription,
				);
		t.strictSame(outlet.take(), ["m q0", "m q0", "m q0", "m q0 retain"]);
	},
);

t.test("a slow reader loses QoS 0, counted, and nothing else", async (t) => {
	const context = makeContext();
	const session = makeSession(context);
	const outlet = new NotingOutlet();
	session.attach(outlet);
	const subscription = subscriptionOf(session, "#");
	outlet.isCongested = true;
	const tolerated = deliveryOf(context, "tolerated", { qos: 0 });
	session.deliver(tolerated, subscription);
	t.equal(tolerated.slowOutlet, outlet, "its publisher is to pause");
	outlet.dropsQoS0 = true;
	session.deliver(deliveryOf(context, "lost", { qos: 0 }), subscription);
	session.deliver(deliveryOf(context, "kept", { qos: 1 }), subscription);
	t.strictSame(outlet.take(), ["tolerated q0"]);
	t.equal(context.counters.droppedSlowReader, 1);
	t.equal(session.queuedMessages, 1);
});

t.test(
	"an offline session keeps QoS 1 and 2, on disk, and not QoS 0",
	async (t) => {
		const context = makeContext();
		const session = makeSession(context, { expirySeconds: 100 });
		const subscription = subscriptionOf(session, "#");
		const notes: string[] = [];
		for (const qos of [0, 1, 2] as const) {
			const ticket = new NotingTicket(`qos ${qos}`, notes);
			ticket.hold();
			session.deliver(deliveryOf(context, "m", { qos, ticket }), subscription);
			ticket.settle();
		}
		t.strictSame(notes, ["qos 0"], "the others wait for the disk");
		t.equal(session.queuedMessages, 2);
		t.equal(session.queuedBytes, 2 * ("a/b".length + 1));
		t.equal(context.messageBudget.used, 0);
		await committed(context.store);
		t.strictSame(notes, ["qos 0", "qos 1", "qos 2"]);
		const page = await context.store.readQueue(
			session.key,
			-1,
			9,
			9999,
			QueuePart.All,
		);
		t.strictSame(
			page.messages.map(({ qos }) => qos),
			[1, 2],
		);
	},
);

t.test("a clean session that is gone keeps nothing", async (t) => {
	const context = makeContext();
	const session = makeSession(context);
	session.deliver(deliveryOf(context, "m"), subscriptionOf(session, "#"));
	t.equal(session.queuedMessages, 0);
	t.equal(context.messageBudget.used, 0);
});

t.test("a message for a clean session owes the disk nothing", async (t) => {
	const context = makeContext();
	const session = makeSession(context);
	session.attach(new NotingOutlet());
	const notes: string[] = [];
	const ticket = new NotingTicket("publisher", notes);
	ticket.hold();
	session.deliver(
		deliveryOf(context, "m", { ticket }),
		subscriptionOf(session, "#"),
	);
	ticket.settle();
	t.strictSame(notes, ["publisher"]);
});

t.test("inherits a message as it would take a new one", async (t) => {
	const context = makeContext();
	const session = makeSession(context);
	const shared = subscriptionOf(session, "$share/g/#", { qos: 1 });
	const stored = () =>
		StoredMessage.adopt(
			message("a/b", "m", { qos: 2 }),
			Infinity,
			context.messageBudget,
		);
	t.notOk(session.inherit(stored(), shared), "nobody is there");
	const outlet = new NotingOutlet();
	session.attach(outlet);
	t.ok(session.inherit(stored(), shared));
	t.strictSame(outlet.take(), ["m q1 #1"]);
	t.equal(session.queuedMessages, 1);
	acknowledge(session, 1);
	t.equal(context.messageBudget.used, 0);
});

t.test(
	"inherits with QoS 0 when it was granted no more [MQTT-4.8.2-3]",
	async (t) => {
		const context = makeContext();
		const session = makeSession(context);
		const shared = subscriptionOf(session, "$share/g/#", { qos: 0 });
		const stored = StoredMessage.adopt(
			message("a/b", "m"),
			Infinity,
			context.messageBudget,
		);
		t.notOk(session.inherit(stored, shared), "nobody is there");
		const outlet = new NotingOutlet();
		session.attach(outlet);
		t.ok(session.inherit(stored, shared));
		t.strictSame(outlet.take(), ["m q0"]);
		t.equal(context.messageBudget.used, 0);
	},
);

t.test(
	"detaching gives back what was in memory and keeps the counts",
	async (t) => {
		const context = makeContext();
		const session = makeSession(context, { expirySeconds: 100 });
		t.strictSame(session.detach(), [], "nothing is attached");
		session.attach(new NotingOutlet(1));
		const subscription = subscriptionOf(session, "#");
		for (const payload of ["a", "b"])
			session.deliver(deliveryOf(context, payload), subscription);
		const entries = session.detach();
		t.equal(entries.length, 2);
		t.equal(session.queuedMessages, 2);
		t.equal(session.disconnectedAtMs, context.clock.wallMs());
		for (const entry of entries) entry.message.release();
		t.equal(context.messageBudget.used, 0);
	},
);

t.test("discarding takes its counts out of the totals", async (t) => {
	const context = makeContext();
	const session = makeSession(context, { expirySeconds: 100 });
	const lane = { key: 9, session: 1, name: "backlog", isByTopic: false };
	session.lanes = [
		{ ...lane, queuedMessages: 5, queuedBytes: 50, lastSequence: 7 },
	];
	session.restoreCounts(3, 300);
	t.equal(session.queuedMessages, 3, "only its first queue is sent");
	t.equal(context.counters.queuedMessages, 8);
	t.equal(context.counters.queuedBytes, 350);
	session.discard();
	t.equal(context.counters.queuedMessages, 0);
	t.equal(context.counters.queuedBytes, 0);
	t.equal(session.queuedMessages, 0);
});
