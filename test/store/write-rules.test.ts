/** Retained messages that are written less often than they are published. */
import fc from "fast-check";
import t, { type Test } from "tap";
import { matches } from "../../src/protocol/topic.ts";
import type { StoreClient } from "../../src/store/store-client.ts";
import { type WriteRule, WriteRules } from "../../src/store/write-rules.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { HandDisk } from "../support/hand-disk.ts";
import { allRetained, committed, message } from "../support/store-fixtures.ts";
import { turns } from "../unit/session/hand-store.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;

async function open(t: Test, writeRules: readonly WriteRule[]) {
	const clock = new FakeClock();
	const disk = new HandDisk({
		clock,
		commitIntervalMs: 50,
		lazyIntervalMs: 5 * SECOND,
		writeRules,
	});
	await disk.store.open();
	t.teardown(() => disk.store.close());
	const put = (topic: string, payload: string, lazy = true) =>
		disk.store.putRetained(message(topic, payload), 0, lazy, null);
	const pass = async (ms: number) => {
		await clock.advanceAsync(ms);
		await turns(20);
	};
	/** What a power cut would leave. */
	const onDisk = async () => {
		const store = disk.restart();
		await store.open();
		return valuesIn(store);
	};
	return { disk, put, pass, onDisk };
}

async function valuesIn(store: StoreClient): Promise<Record<string, string>> {
	const records = await allRetained(store, "#");
	return Object.fromEntries(
		records.map(({ message }) => [message.topic, message.payload.toString()]),
	);
}

t.test("repeated values of a topic wait, the last one wins", async (t) => {
	const { disk, put, pass, onDisk } = await open(t, [
		{ filter: "power/+", everyMs: MINUTE },
	]);
	const { store } = disk;
	put("power/1", "first");
	put("door", "1");
	await pass(5 * SECOND);
	t.equal(store.counters.operations, 2, "the first one waits no longer");
	for (let i = 0; i < 54; i++) {
		put("power/1", `${i}`);
		await pass(SECOND);
	}
	// The clock began at 5 s: the first minute is over at 60 s.
	t.equal(store.counters.operations, 3, "one write for the minute");
	put("power/1", "last");
	await pass(50 * SECOND);
	t.equal(store.counters.operations, 3);
	t.equal(store.counters.pendingBytes, store.counters.repeatedBytes);
	t.strictSame(await valuesIn(store), { "power/1": "last", door: "1" });
	await pass(10 * SECOND);
	t.equal(store.counters.operations, 4);
	t.equal(store.counters.repeatedBytes, 0);
	t.equal(store.counters.pendingBytes, 0);
	t.strictSame(await onDisk(), { "power/1": "last", door: "1" });
});

t.test("values of many topics are written in one commit", async (t) => {
	const { disk, put, pass } = await open(t, [{ filter: "#", everyMs: MINUTE }]);
	const { counters } = disk.store;
	for (let i = 0; i < 300; i++) {
		put(`t/${i % 60}`, `${i}`);
		await pass(SECOND);
	}
	t.equal(
		counters.operations,
		60 + 4 * 60 - 5,
		"each topic once a minute, the last five still wait",
	);
	const first = 12; // while the topics are new, every five seconds
	t.ok(counters.commits <= first + 5, `${counters.commits} commits`);
});

t.test(
	"a power cut leaves the value before, an orderly stop the last",
	async (t) => {
		const rules = [{ filter: "#", everyMs: MINUTE }];
		const one = await open(t, rules);
		one.put("a", "old");
		await one.pass(5 * SECOND);
		one.put("a", "new");
		await one.pass(30 * SECOND);
		t.strictSame(await one.onDisk(), { a: "old" });
		const other = await open(t, rules);
		other.put("a", "old");
		await other.pass(5 * SECOND);
		other.put("a", "new");
		await other.disk.store.close();
		t.strictSame(await other.onDisk(), { a: "new" });
	},
);

t.test("QoS 1 is written at once, and a removal with the next", async (t) => {
	const { disk, put, pass, onDisk } = await open(t, [
		{ filter: "#", everyMs: MINUTE },
	]);
	const { store } = disk;
	put("a", "1");
	put("b", "1");
	await pass(5 * SECOND);
	put("a", "2");
	put("a", "firm", false);
	put("b", "2");
	store.deleteRetained("b", true, null);
	await pass(5 * SECOND);
	put("b", "again");
	await pass(5 * SECOND);
	t.equal(store.counters.operations, 5, "after a removal it is the first");
	t.equal(store.counters.repeatedBytes, 0);
	t.strictSame(await onDisk(), { a: "firm", b: "again" });
});

t.test("new rules end the waiting under the old ones", async (t) => {
	const { disk, put, pass } = await open(t, [
		{ filter: "#", everyMs: 60 * MINUTE },
	]);
	const { counters } = disk.store;
	put("a", "1");
	await pass(5 * SECOND);
	put("a", "2");
	await pass(MINUTE);
	t.equal(counters.operations, 1);
	disk.store.setWriteRules([]);
	await pass(5 * SECOND);
	t.equal(counters.operations, 2);
	put("a", "3");
	await pass(5 * SECOND);
	t.equal(counters.operations, 3);
});

t.test("more than 4 MB does not wait", async (t) => {
	const { disk, put, pass } = await open(t, [
		{ filter: "#", everyMs: 60 * MINUTE },
	]);
	const { counters } = disk.store;
	const large = "x".repeat(100_000);
	for (let i = 0; i < 40; i++) put(`t/${i}`, large);
	await pass(5 * SECOND);
	t.equal(counters.operations, 40);
	for (let i = 0; i < 50; i++) {
		put(`t/${i % 40}`, `${large}${i}`);
		t.ok(counters.repeatedBytes < 4.3e6);
	}
	await pass(5 * SECOND);
	t.equal(counters.operations, 40, "ten of them are newer values");
	put("t/0", large.repeat(3));
	await pass(SECOND);
	t.equal(counters.operations, 80, "all that waited");
	t.equal(counters.pendingBytes, 0);
});

t.test("what is remembered of many topics is bounded", async (t) => {
	const { disk, put, pass } = await open(t, [
		{ filter: "#", everyMs: 60 * MINUTE },
	]);
	const { counters } = disk.store;
	const topics = Array.from({ length: 12_000 }, (_, i) => `house/sensor/${i}`);
	for (const topic of topics) put(topic, "1");
	await pass(5 * SECOND);
	t.equal(counters.operations, topics.length);
	put(topics[0] ?? "", "2");
	put(topics.at(-1) ?? "", "2");
	await pass(5 * SECOND);
	t.equal(counters.operations, topics.length + 1, "the oldest is forgotten");
});

t.test(
	"with no lazy interval, what waits is looked at once a second",
	async (t) => {
		const clock = new FakeClock();
		const disk = new HandDisk({
			clock,
			commitIntervalMs: 0,
			lazyIntervalMs: 0,
			writeRules: [{ filter: "a", everyMs: 10 * SECOND }],
		});
		const { store } = disk;
		await store.open();
		t.teardown(() => store.close());
		const put = (topic: string) =>
			store.putRetained(message(topic), 0, true, null);
		put("a");
		await clock.advanceAsync(1);
		put("a");
		t.equal(clock.nextTimerMs, SECOND);
		put("b");
		t.equal(clock.nextTimerMs, 1, "others do not wait for it");
		await clock.advanceAsync(SECOND);
		await committed(store);
		t.equal(store.counters.topicWrites.writes, 2);
		await clock.advanceAsync(10 * SECOND);
		t.equal(store.counters.topicWrites.writes, 3);
	},
);

t.test("of two rules the more particular one counts", async (t) => {
	const rules = new WriteRules([
		{ filter: "#", everyMs: 1 },
		{ filter: "house/#", everyMs: 2 },
		{ filter: "house/+/power", everyMs: 3 },
		{ filter: "house/kitchen/#", everyMs: 4 },
		{ filter: "house/kitchen/power", everyMs: 0 },
		{ filter: "+/kitchen/power", everyMs: 6 },
	]);
	t.equal(rules.everyMs("other"), 1);
	t.equal(rules.everyMs("house"), 2);
	t.equal(rules.everyMs("house/hall/power"), 3);
	t.equal(rules.everyMs("house/kitchen/light"), 4);
	t.equal(rules.everyMs("house/kitchen/power"), 0);
	t.equal(rules.everyMs("hut/kitchen/power"), 6);
	t.equal(rules.everyMs("$SYS/x"), 0);

	const level = fc.constantFrom("a", "b", "+");
	const filter = fc
		.tuple(fc.array(level, { minLength: 1, maxLength: 3 }), fc.boolean())
		.map(([levels, hasHash]) =>
			[...levels, ...(hasHash ? ["#"] : [])].join("/"),
		);
	const topic = fc
		.array(fc.constantFrom("a", "b"), { minLength: 1, maxLength: 4 })
		.map((levels) => levels.join("/"));
	const sets = fc.uniqueArray(filter, { maxLength: 8 });
	fc.assert(
		fc.property(sets, topic, (filters, name) => {
			const rules = filters.map((one, at) => ({
				filter: one,
				everyMs: at + 1,
			}));
			const found = new WriteRules(rules).everyMs(name);
			const same = new WriteRules(rules.toReversed()).everyMs(name);
			const matching = rules.filter((rule) => matches(rule.filter, name));
			const isOne = matching.some(({ everyMs }) => everyMs === found);
			return found === same && (matching.length === 0 ? found === 0 : isOne);
		}),
	);
});
