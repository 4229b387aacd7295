import t from "tap";
import { type ClientInfo, Hooks } from "../../../src/broker/hooks.ts";
import { Router } from "../../../src/broker/router.ts";
import { ReasonCode } from "../../../src/protocol/reason-codes.ts";
import type { SubscriptionOptions } from "../../../src/session/subscription.ts";
import {
	committed,
	deliveryOf,
	makeContext,
	makeSession,
	message,
	NotingOutlet,
	NotingTicket,
} from "../session/session-fixture.ts";

function setUp(settings: Record<string, string> = {}) {
	const context = makeContext(settings);
	const hooks = new Hooks();
	const router = new Router(context, hooks);
	const join = (
		clientId: string,
		filter: string,
		options: Partial<SubscriptionOptions> = {},
	) => {
		const session = makeSession(context, { clientId });
		const outlet = new NotingOutlet();
		session.attach(outlet);
		router.subscriptions.add(session, filter, {
			qos: 2,
			noLocal: false,
			retainAsPublished: false,
			identifier: 0,
			...options,
		});
		return { session, outlet };
	};
	const retained = async () => {
		await committed(context.store);
		const page = await context.store.scanRetained("#", null).next(99, 99_999);
		return page.map((each) => `${each.message.topic} ${each.message.payload}`);
	};
	return { context, hooks, router, join, retained };
}

t.test("says when nobody wanted a message", async (t) => {
	const { context, router, join } = setUp();
	t.equal(
		router.publish(deliveryOf(context, "m"), null),
		ReasonCode.NoMatchingSubscribers,
	);
	const { outlet } = join("c", "a/#");
	t.equal(router.publish(deliveryOf(context, "m"), null), ReasonCode.Success);
	t.strictSame(outlet.take(), ["m q1 #1"]);
	const shared = join("d", "$share/g/b");
	t.equal(
		router.publish(deliveryOf(context, "m", { topic: "b" }), null),
		ReasonCode.Success,
	);
	t.equal(shared.outlet.take().length, 1);
});

t.test("each session gets one copy, each group one", async (t) => {
	const { context, router, join } = setUp({
		shared_subscription_policy: "round_robin",
	});
	const plain = join("plain", "a/#");
	const members = ["1", "2"].map((id) => join(id, "$share/g/a/b"));
	const other = join("other", "$share/h/#");
	for (const payload of ["x", "y"])
		router.publish(deliveryOf(context, payload), null);
	t.strictSame(plain.outlet.take().length, 2);
	t.strictSame(
		members.map(({ outlet }) => outlet.take().length),
		[1, 1],
	);
	t.strictSame(other.outlet.take().length, 2);
});

t.test(
	"a publish hook that says no drops a message silently, and later hooks are not asked",
	async (t) => {
		const { context, hooks, router, join, retained } = setUp();
		const { outlet } = join("c", "#");
		const asked: string[] = [];
		const client = { clientId: "p" } as ClientInfo;
		hooks.publish = [
			(publish, who) => {
				asked.push(`first ${publish.topic} ${who?.clientId}`);
				return publish.payload.toString() !== "bad";
			},
			() => {
				asked.push("second");
				return true;
			},
		];
		t.equal(
			router.publish(deliveryOf(context, "bad", { retain: true }), client),
			ReasonCode.Success,
		);
		t.equal(
			router.publish(deliveryOf(context, "good"), null),
			ReasonCode.Success,
		);
		t.strictSame(outlet.take(), ["good q1 #1"]);
		t.strictSame(asked, ["first a/b p", "first a/b undefined", "second"]);
		t.strictSame(await retained(), []);
	},
);

t.test(
	"a retained message replaces the earlier one, an empty one removes it [MQTT-3.3.1-5] [MQTT-3.3.1-6] [MQTT-3.3.1-7]",
	async (t) => {
		for (const qos of [0, 1, 2] as const) {
			const { context, router, retained } = setUp();
			const publish = (payload: string, retain = true) =>
				router.publish(deliveryOf(context, payload, { qos, retain }), null);
			publish("one");
			publish("two");
			t.strictSame(await retained(), ["a/b two"]);
			publish("live", false);
			publish("", false);
			t.strictSame(
				await retained(),
				["a/b two"],
				"without RETAIN nothing changes [MQTT-3.3.1-8]",
			);
			publish("");
			t.strictSame(await retained(), []);
			t.equal(context.messageBudget.used, 0);
		}
	},
);

t.test(
	"an empty retained message is delivered like any other [MQTT-3.3.1-6]",
	async (t) => {
		const { context, router, join } = setUp();
		const { outlet } = join("c", "#", { retainAsPublished: true });
		router.publish(deliveryOf(context, "", { retain: true, qos: 0 }), null);
		t.strictSame(outlet.take(), [" q0 retain"]);
	},
);

t.test("QoS 0 owes the disk no retained value, QoS 1 does", async (t) => {
	const { context, router } = setUp();
	const notes: string[] = [];
	for (const qos of [0, 1] as const) {
		const ticket = new NotingTicket(`${qos}`, notes);
		ticket.hold();
		router.publish(
			deliveryOf(context, "m", { qos, retain: true, ticket }),
			null,
		);
		ticket.settle();
	}
	t.strictSame(notes, ["0"]);
	await committed(context.store);
	t.strictSame(notes, ["0", "1"]);
});

t.test("a retained message keeps its expiry", async (t) => {
	const { context, router, retained } = setUp();
	router.publish(
		deliveryOf(context, "m", { retain: true, expirySeconds: 5 }),
		null,
	);
	t.strictSame(await retained(), ["a/b m"]);
	context.clock.advance(5000);
	t.strictSame(await retained(), []);
});

t.test(
	"a will is published in the name of its session [MQTT-3.1.2-14] [MQTT-3.1.2-15]",
	async (t) => {
		const { router, join, retained } = setUp();
		const own = join("c", "will", { noLocal: true });
		const other = join("d", "will");
		const will = {
			...message("will", "gone", { qos: 1, retain: true }),
			delaySeconds: 0,
		};
		router.publishWill(own.session, will);
		t.strictSame(own.outlet.take(), [], "No Local holds for it");
		t.strictSame(other.outlet.take(), ["gone q1 #1"]);
		t.strictSame(await retained(), ["will gone"]);
	},
);
