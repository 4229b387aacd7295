import t from "tap";
import { testRouter } from "../../../src/broker/self-test.ts";
import { startBroker } from "../../support/start-broker.ts";

t.test("arrives, and leaves no trace", async (t) => {
	const { broker } = await startBroker(t);
	const figures = () =>
		JSON.stringify([
			broker.counters,
			broker.statistics,
			broker.router.subscriptions.size,
			broker.registry.size,
			broker.budgets.all.map(({ name, used }) => [name, used]),
		]);
	broker.hooks.publish = [() => t.fail("no hook hears of it")];
	const before = figures();
	testRouter(broker);
	testRouter(broker);
	t.equal(figures(), before);
});

t.test("a router that loses messages is noticed", async (t) => {
	const { broker } = await startBroker(t);
	broker.router.subscriptions.route = () => ({
		subscriptions: [],
		asleep: [],
		groups: [],
	});
	t.throws(() => testRouter(broker), /0 of 1 messages arrived/);
	t.equal(broker.router.subscriptions.size, 0);
});
