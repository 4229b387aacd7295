import t from "tap";
import { SubscriptionTable } from "../../../src/broker/subscription-table.ts";
import { makeContext, makeSession } from "../session/session-fixture.ts";

const options = {
	qos: 1,
	noLocal: false,
	retainAsPublished: false,
	identifier: 0,
} as const;

function setUp() {
	const context = makeContext();
	const table = new SubscriptionTable();
	const a = makeSession(context, { clientId: "a" });
	const b = makeSession(context, { clientId: "b" });
	return { table, a, b };
}

t.test(
	"a route has one entry for each session, overlapping subscriptions merged [MQTT-3.3.4-2]",
	async (t) => {
		const { table, a, b } = setUp();
		table.add(a, "x/#", options);
		table.add(a, "x/y", { ...options, qos: 2 });
		table.add(b, "x/+", options);
		table.add(b, "z", options);
		const { subscriptions, groups } = table.route("x/y");
		t.strictSame(
			subscriptions
				.map(({ session, qos }) => `${session.clientId}${qos}`)
				.toSorted(),
			["a2", "b1"],
		);
		t.equal(groups.length, 0);
		t.equal(table.size, 4);
	},
);

t.test("a route is remembered until a subscription changes", async (t) => {
	const { table, a, b } = setUp();
	table.add(a, "x", options);
	const route = table.route("x");
	t.equal(table.route("x"), route);
	table.add(b, "x", options);
	t.equal(table.route("x").subscriptions.length, 2);
	table.remove(a, "x");
	t.strictSame(
		table.route("x").subscriptions.map(({ session }) => session),
		[b],
	);
	table.add(b, "$share/g/x", options);
	t.equal(table.route("x").groups.length, 1);
	table.remove(b, "$share/g/x");
	t.equal(table.route("x").groups.length, 0);
});

t.test(
	"a subscription with the same filter replaces the earlier one [MQTT-3.8.4-3]",
	async (t) => {
		const { table, a } = setUp();
		for (const filter of ["x", "$share/g/x"]) {
			t.ok(table.add(a, filter, options).isNew);
			const again = table.add(a, filter, { ...options, qos: 2, identifier: 5 });
			t.notOk(again.isNew);
			t.equal(a.subscriptions.get(filter), again.subscription);
		}
		const { subscriptions, groups } = table.route("x");
		t.match(subscriptions, [{ qos: 2, identifiers: [5] }]);
		t.match(groups[0]?.members, [{ qos: 2, identifiers: [5] }]);
		t.equal(subscriptions.length, 1);
		t.equal(table.size, 2);
	},
);

t.test(
	"an ordinary and a shared subscription with one filter are two [MQTT-4.8.2-1]",
	async (t) => {
		const { table, a } = setUp();
		table.add(a, "x", options);
		table.add(a, "$share/g/x", options);
		table.add(a, "$share/h/x", options);
		t.equal(table.route("x").groups.length, 2);
		t.equal(table.sharedGroups, 2);
		t.equal(table.size, 3);
		t.ok(table.remove(a, "x"));
		t.equal(table.route("x").groups.length, 2);
	},
);

t.test("members of a group share it; the last one closes it", async (t) => {
	const { table, a, b } = setUp();
	table.add(a, "$share/g/x", options);
	table.add(b, "$share/g/x", options);
	t.equal(table.sharedGroups, 1);
	t.equal(table.groupOf("$share/g/x")?.members.length, 2);
	table.remove(a, "$share/g/x");
	t.equal(table.groupOf("$share/g/x")?.members.length, 1);
	table.remove(b, "$share/g/x");
	t.equal(table.groupOf("$share/g/x"), undefined);
	t.equal(table.sharedGroups, 0);
	t.equal(table.route("x").groups.length, 0);
});

t.test(
	"filters are compared character by character [MQTT-3.10.4-1]",
	async (t) => {
		const { table, a, b } = setUp();
		table.add(a, "x/+", options);
		t.notOk(table.remove(a, "x/#"));
		t.notOk(table.remove(a, "x/y"));
		t.notOk(table.remove(b, "x/+"));
		t.ok(table.remove(a, "x/+"));
		t.notOk(table.remove(a, "x/+"));
		t.equal(table.size, 0);
	},
);

t.test("a session that ends leaves nothing behind", async (t) => {
	const { table, a, b } = setUp();
	for (const filter of ["x", "x/#", "$share/g/x"]) {
		table.add(a, filter, options);
		table.add(b, filter, options);
	}
	table.removeAll(a);
	t.equal(table.size, 3);
	t.equal(a.subscriptions.size, 0);
	t.strictSame(
		table.route("x").subscriptions.map(({ session }) => session),
		[b],
	);
});
