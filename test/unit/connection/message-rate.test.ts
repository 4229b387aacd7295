import t from "tap";
import { MessageRate } from "../../../src/connection/message-rate.ts";
import { startRig } from "../broker/broker-fixture.ts";

t.test(
	"allows a second's worth at once, then one after the other",
	async (t) => {
		const rate = new MessageRate(10, 1000);
		for (let i = 0; i < 10; i++) t.equal(rate.take(10, 1000), 0);
		t.equal(rate.take(10, 1000), 100);
		t.equal(rate.take(10, 1000), 200);
		t.equal(rate.take(10, 1200), 100, "two are owed, one comes on top");
	},
);

t.test("idle time earns a second's worth and no more", async (t) => {
	const rate = new MessageRate(10, 0);
	for (let i = 0; i < 10; i++) rate.take(10, 0);
	for (let i = 0; i < 10; i++) t.equal(rate.take(10, 3_600_000), 0);
	t.ok(rate.take(10, 3_600_000) > 0);
});

t.test("keeps to a limit that changes", async (t) => {
	const rate = new MessageRate(1, 0);
	rate.take(1, 0);
	t.equal(rate.take(1, 0), 1000);
	t.equal(rate.take(100, 1000), 0);
});

t.test(
	"max_message_rate slows a publisher down and loses nothing",
	async (t) => {
		const { join, clock } = await startRig(t, { max_message_rate: 10 });
		const subscriber = await join("subscriber");
		await subscriber.subscribe("a");
		const publisher = await join("publisher");
		for (let i = 0; i < 30; i++) publisher.publish("a", `${i}`);
		await clock.advanceAsync(0);
		const received = await subscriber.settled();
		t.ok(
			received.length >= 10 && received.length <= 11,
			`${received.length} at once`,
		);
		await clock.advanceAsync(1000);
		received.push(...(await subscriber.settled()));
		t.ok(received.length <= 22, `${received.length} after a second`);
		await clock.advanceAsync(4000);
		received.push(...(await subscriber.settled()));
		t.strictSame(
			received,
			Array.from({ length: 30 }, (_, i) => `publish ${i} q0`),
		);
	},
);
