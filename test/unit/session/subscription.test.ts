import t from "tap";
import { Subscription } from "../../../src/session/subscription.ts";
import { makeContext, makeSession, subscriptionOf } from "./session-fixture.ts";

const session = makeSession(makeContext());

t.test("one subscription needs no merging", async (t) => {
	const only = subscriptionOf(session, "a/#");
	t.equal(Subscription.merge([only]), only);
	t.throws(() => Subscription.merge([]));
});

t.test(
	"overlapping subscriptions give one with the highest QoS and all identifiers [MQTT-3.3.4-2] [MQTT-3.3.4-4]",
	async (t) => {
		const merged = Subscription.merge([
			subscriptionOf(session, "a/#", { qos: 0, identifier: 7 }),
			subscriptionOf(session, "a/+", { qos: 2 }),
			subscriptionOf(session, "a/b", { qos: 1, identifier: 3 }),
		]);
		t.equal(merged.session, session);
		t.equal(merged.qos, 2);
		t.strictSame(merged.identifiers, [7, 3]);
		t.equal(merged.sharedGroup, null);
		t.notOk(merged.noLocal);
		t.notOk(merged.retainAsPublished);
	},
);

t.test("Retain As Published holds when one of them asks for it", async (t) => {
	const merged = Subscription.merge([
		subscriptionOf(session, "a/#"),
		subscriptionOf(session, "a/+", { retainAsPublished: true }),
	]);
	t.ok(merged.retainAsPublished);
});

t.test(
	"No Local leaves out only what was subscribed with it [MQTT-3.8.3-3]",
	async (t) => {
		const merged = Subscription.merge([
			subscriptionOf(session, "a/#", { qos: 2, noLocal: true, identifier: 7 }),
			subscriptionOf(session, "a/+", { qos: 1, identifier: 3 }),
		]);
		t.equal(merged.qos, 2);
		t.strictSame(merged.identifiers, [7, 3]);
		t.equal(merged.localVariant?.qos, 1);
		t.strictSame(merged.localVariant?.identifiers, [3]);
		t.equal(merged.localVariant?.noLocal, false);
	},
);

t.test(
	"No Local of all of them leaves nothing for the session's own messages",
	async (t) => {
		const merged = Subscription.merge([
			subscriptionOf(session, "a/#", { noLocal: true }),
			subscriptionOf(session, "a/+", { noLocal: true }),
		]);
		t.ok(merged.noLocal);
		t.equal(merged.localVariant, null);
	},
);
