import t from "tap";
import { RetainedReplay } from "../../../src/session/retained-replay.ts";
import type { Session } from "../../../src/session/session.ts";
import type { Subscription } from "../../../src/session/subscription.ts";
import { HandStore, turns } from "./hand-store.ts";
import {
	acknowledge,
	committed,
	deliveryOf,
	disconnect,
	makeContext,
	makeSession,
	message,
	NotingOutlet,
	subscriptionOf,
	type TestContext,
} from "./session-fixture.ts";

async function retain(
	context: TestContext,
	topics: readonly string[],
	rest: Parameters<typeof message>[2] = {},
): Promise<void> {
	for (const topic of topics) {
		const { expirySeconds = -1 } = rest;
		const expiresAt =
			expirySeconds < 0 ? 0 : context.clock.wallMs() + expirySeconds * 1000;
		context.store.putRetained(
			message(topic, topic, { retain: true, ...rest }),
			expiresAt,
			false,
			null,
		);
	}
	await committed(context.store);
}

function attach(
	context: TestContext,
	options: { window?: number; expirySeconds?: number; qos?: 0 | 1 | 2 } = {},
): { session: Session; subscription: Subscription; outlet: NotingOutlet } {
	const session = makeSession(context, {
		expirySeconds: options.expirySeconds ?? 0,
	});
	const subscription = subscriptionOf(session, "r/#", {
		qos: options.qos ?? 2,
		identifier: 5,
	});
	const outlet = new NotingOutlet(options.window);
	session.attach(outlet);
	return { session, subscription, outlet };
}

t.test(
	"sends what matches, with RETAIN and the subscription's identifier [MQTT-3.3.1-9] [MQTT-3.3.4-3]",
	async (t) => {
		const context = makeContext();
		await retain(context, ["r/a", "r/b", "other"]);
		const { session, subscription, outlet } = attach(context);
		session.outbound?.replay(subscription);
		await turns();
		t.strictSame(outlet.take(), [
			"r/a q1 #1 retain ids 5",
			"r/b q1 #2 retain ids 5",
		]);
		t.equal(session.queuedMessages, 0, "it is no queue");
		acknowledge(session, 1);
		acknowledge(session, 2);
		t.equal(context.messageBudget.used, 0);
	},
);

t.test("is paced by the window, however many there are", async (t) => {
	const context = makeContext();
	const topics = Array.from({ length: 130 }, (_, i) => `r/${1000 + i}`);
	await retain(context, topics);
	const { session, subscription, outlet } = attach(context, { window: 3 });
	session.outbound?.replay(subscription);
	const received: string[] = [];
	for (let i = 0; i < 130; i++) {
		await turns(3);
		received.push(...outlet.take().map((note) => note.split(" ")[0] ?? ""));
		t.ok((session.outbound?.inflight.size ?? 9) <= 3);
		const [entry] = session.outbound?.inflight.entries() ?? [];
		acknowledge(session, entry?.packetId ?? 0);
	}
	t.strictSame(received, topics);
	t.equal(session.outbound?.replays.size, 0);
	t.equal(context.messageBudget.used, 0);
});

t.test("QoS 0 is paced by the connection", async (t) => {
	const context = makeContext();
	await retain(context, ["r/a", "r/b"], { qos: 0 });
	const { session, subscription, outlet } = attach(context);
	outlet.isCongested = true;
	session.outbound?.replay(subscription);
	await turns();
	t.strictSame(outlet.take(), []);
	outlet.isCongested = false;
	session.outbound?.pump();
	await turns();
	t.strictSame(outlet.take(), ["r/a q0 retain ids 5", "r/b q0 retain ids 5"]);
	t.equal(context.messageBudget.used, 0);
});

t.test("a topic that was delivered live meanwhile is skipped", async (t) => {
	const context = makeContext();
	await retain(context, ["r/a", "r/b"]);
	const { session, subscription, outlet } = attach(context, { window: 1 });
	session.outbound?.replay(subscription);
	await turns();
	t.strictSame(outlet.take(), ["r/a q1 #1 retain ids 5"]);
	session.deliver(
		deliveryOf(context, "newer", { topic: "r/b", retain: true }),
		subscription,
	);
	acknowledge(session, 1);
	await turns();
	acknowledge(session, 2);
	await turns();
	t.strictSame(outlet.take(), ["newer q1 #2 ids 5"]);
});

t.test(
	"a live message that was dropped does not hide the stored one",
	async (t) => {
		const context = makeContext();
		await retain(context, ["r/a"], { qos: 0 });
		const { session, subscription, outlet } = attach(context);
		outlet.isCongested = true;
		outlet.dropsQoS0 = true;
		session.outbound?.replay(subscription);
		session.deliver(
			deliveryOf(context, "lost", { topic: "r/a", retain: true, qos: 0 }),
			subscription,
		);
		outlet.isCongested = false;
		session.outbound?.pump();
		await turns();
		t.strictSame(outlet.take(), ["r/a q0 retain ids 5"]);
	},
);

t.test("the set of skipped topics is bounded", async (t) => {
	const context = makeContext();
	await retain(context, ["r/early", "r/last"]);
	const { subscription } = attach(context);
	const replay = new RetainedReplay(subscription, context.store);
	const now = context.clock.wallMs();
	await replay.loadPage();
	replay.skip("r/early");
	for (let i = 1; i < 10_000; i++) replay.skip(`r/${i}`);
	replay.skip("r/last");
	t.equal(replay.take(now)?.message.topic, "r/last");
	t.equal(replay.take(now), undefined);
	t.notOk(replay.isDone);
	t.ok(replay.needsPage);
	await replay.loadPage();
	t.ok(replay.isDone);
	t.notOk(replay.needsPage);
});

t.test(
	"reads nothing before its turn, so nothing it reads can be old",
	async (t) => {
		const context = makeContext();
		await retain(context, ["r/a"]);
		const { subscription } = attach(context);
		const replay = new RetainedReplay(subscription, context.store);
		replay.skip("r/a");
		await retain(context, ["r/a"], { payload: Buffer.from("new") });
		await replay.loadPage();
		const record = replay.take(context.clock.wallMs());
		t.equal(record?.message.payload.toString(), "new");
	},
);

t.test(
	"an interrupted walk goes on behind what it has given out",
	async (t) => {
		const context = makeContext();
		await retain(context, ["r/a", "r/b", "r/c"]);
		const { subscription } = attach(context);
		const replay = new RetainedReplay(subscription, context.store);
		const now = context.clock.wallMs();
		await replay.loadPage();
		t.equal(replay.take(now)?.message.topic, "r/a");
		replay.interrupt();
		const late = replay.loadPage();
		replay.interrupt();
		await late;
		t.equal(replay.take(now), undefined, "an answer to an earlier question");
		await replay.loadPage();
		t.equal(replay.take(now)?.message.topic, "r/b");
		t.equal(replay.take(now)?.message.topic, "r/c");
	},
);

t.test(
	"unsubscribing and subscribing again stop an earlier replay",
	async (t) => {
		const context = makeContext();
		await retain(context, ["r/a", "r/b"]);
		const { session, subscription, outlet } = attach(context, { window: 1 });
		session.outbound?.replay(subscription);
		await turns();
		session.outbound?.stopReplay("unknown");
		session.outbound?.stopReplay("r/#");
		acknowledge(session, 1);
		await turns();
		t.strictSame(outlet.take(), ["r/a q1 #1 retain ids 5"]);
		session.outbound?.replay(subscription);
		session.outbound?.replay(subscription);
		await turns();
		acknowledge(session, 2);
		await turns();
		acknowledge(session, 3);
		await turns();
		t.equal(outlet.take().length, 2, "only the second one ran");
	},
);

t.test("several replays run one after the other", async (t) => {
	const context = makeContext();
	await retain(context, ["r/a", "s/a"]);
	const { session, subscription, outlet } = attach(context);
	session.outbound?.replay(subscription);
	session.outbound?.replay(subscriptionOf(session, "s/#"));
	await turns(20);
	t.strictSame(outlet.take(), ["r/a q1 #1 retain ids 5", "s/a q1 #2 retain"]);
});

t.test("what expired before its turn is not sent [MQTT-3.3.2-5]", async (t) => {
	const context = makeContext();
	await retain(context, ["r/a", "r/b"], { expirySeconds: 5 });
	const { session, subscription, outlet } = attach(context, { window: 1 });
	session.outbound?.replay(subscription);
	await turns();
	t.strictSame(outlet.take(), ["r/a q1 #1 retain ids 5 expires 5"]);
	context.clock.advance(6000);
	acknowledge(session, 1);
	await turns();
	t.strictSame(outlet.take(), []);
});

t.test(
	"goes on with the next connection of a persistent session",
	async (t) => {
		for (const qos of [1, 2] as const) {
			const context = makeContext();
			await retain(context, ["r/a", "r/b"], { qos });
			const { session, subscription, outlet } = attach(context, {
				window: 1,
				expirySeconds: 100,
			});
			session.outbound?.replay(subscription);
			await turns();
			await committed(context.store);
			t.strictSame(outlet.take(), [`r/a q${qos} #1 retain ids 5`]);
			disconnect(session);
			const again = new NotingOutlet();
			session.attach(again).pump();
			await turns(20);
			t.strictSame(
				again.take(),
				[`r/a q${qos} #1 dup retain ids 5`, `r/b q${qos} #2 retain ids 5`],
				"what was in flight is sent again [MQTT-4.4.0-1]",
			);
			acknowledge(session, 1);
			acknowledge(session, 2);
			t.equal(session.queuedMessages, 0);
			t.equal(context.counters.queuedMessages, 0);
			t.equal(context.messageBudget.used, 0);
		}
	},
);

t.test(
	"a value that changed while the client was away is the new one",
	async (t) => {
		const context = makeContext();
		await retain(context, ["r/a", "r/b"]);
		const { session, subscription } = attach(context, {
			window: 1,
			expirySeconds: 100,
		});
		session.outbound?.replay(subscription);
		await turns();
		disconnect(session);
		context.store.putRetained(
			message("r/b", "new", { qos: 0, retain: true }),
			0,
			false,
			null,
		);
		await committed(context.store);
		session.deliver(
			deliveryOf(context, "new", { topic: "r/b", qos: 0, retain: true }),
			subscription,
		);
		const again = new NotingOutlet();
		session.attach(again).pump();
		await turns(20);
		const ofB = again.take().filter((note) => !note.startsWith("r/a"));
		t.strictSame(ofB, ["new q0 retain ids 5"]);
	},
);

t.test("ends with its session", async (t) => {
	const context = makeContext();
	await retain(context, ["r/a", "r/b"]);
	const { session, subscription } = attach(context, {
		window: 1,
		expirySeconds: 100,
	});
	session.outbound?.replay(subscription);
	await turns();
	disconnect(session);
	t.equal(session.unfinishedReplays?.size, 1);
	session.discard();
	t.equal(session.unfinishedReplays, null);
});

t.test(
	"a page that comes after the connection is gone serves the next one",
	async (t) => {
		const hand = new HandStore(makeContext().clock);
		const context = makeContext({}, hand.store);
		await retain(context, ["r/a"]);
		const { session, subscription, outlet } = attach(context, {
			expirySeconds: 100,
		});
		hand.hold();
		session.outbound?.replay(subscription);
		session.detach();
		const again = new NotingOutlet();
		session.attach(again).pump();
		await hand.release();
		await turns();
		t.strictSame(outlet.take(), []);
		t.strictSame(again.take(), ["r/a q1 #1 retain ids 5"]);
	},
);

t.test(
	"a read that fails is logged and does not stop other replays",
	async (t) => {
		const context = makeContext();
		await retain(context, ["r/a", "s/a"]);
		const { session, subscription, outlet } = attach(context);
		const { scanRetained } = context.store;
		context.store.scanRetained = () => ({
			isInOrder: true,
			next: () => Promise.reject(new Error("no luck")),
			close: () => {},
		});
		session.outbound?.replay(subscription);
		context.store.scanRetained = scanRetained;
		session.outbound?.replay(subscriptionOf(session, "s/#"));
		await turns(20);
		t.match(context.lines.join("\n"), /cannot read retained messages.*no luck/);
		session.outbound?.pump();
		await turns();
		t.strictSame(outlet.take(), ["s/a q1 #1 retain"]);
	},
);
