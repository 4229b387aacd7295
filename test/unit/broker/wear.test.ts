/** How much is written, at what pace, and who is to blame. */
import t, { type Test } from "tap";
import { Wear } from "../../../src/broker/wear.ts";
import { describeWear } from "../../../src/broker/wear-words.ts";
import { Logger, levels } from "../../../src/platform/logger.ts";
import { writtenBytes } from "../../../src/platform/written-bytes.ts";
import { noPages } from "../../../src/store/page-counts.ts";
import { StoreCounters } from "../../../src/store/store.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { startBroker } from "../../support/start-broker.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const MB = 1_000_000;

function rig(t: Test, isTold = true) {
	const clock = new FakeClock();
	const counters = new StoreCounters();
	const lines: string[] = [];
	const log = new Logger((line) => lines.push(line), clock, {
		level: levels[2],
		classes: {},
		format: "text",
	});
	const disk = { bytes: 3 * MB };
	const wear = new Wear({
		clock,
		log,
		counters,
		written: () => (isTold ? disk.bytes : null),
	});
	wear.start();
	t.teardown(() => wear.stop());
	/** So many writes of a topic in an hour, each with a page. */
	const hour = (writes: number, topic: string, isLazy = true) => {
		for (let i = 0; i < writes; i++) counters.topicWrites.note(topic, isLazy);
		const pages = { ...counters.pages };
		pages.retained += writes;
		counters.pages = pages;
		disk.bytes += writes * 8192;
	};
	return { clock, counters, lines, disk, wear, hour };
}

t.test(
	"counts from the start, and says nothing about a year at first",
	async (t) => {
		const { clock, disk, wear, counters } = rig(t);
		counters.earlierBytes = 100 * MB;
		clock.advance(MINUTE);
		disk.bytes += MB;
		const young = wear.status;
		t.match(young.sinceStart, { bytes: MB, bytesPerYear: null });
		t.equal(young.lifetimeBytes, 101 * MB);
		clock.advance(59 * MINUTE);
		t.equal(wear.status.lastDay?.bytesPerYear, 24 * 365 * MB);
	},
);

t.test("the windows follow what happens now", async (t) => {
	const { clock, disk, wear } = rig(t);
	disk.bytes += 50 * MB;
	clock.advance(HOUR);
	for (let hour = 0; hour < 30; hour++) {
		disk.bytes += MB;
		clock.advance(HOUR);
	}
	const { sinceStart, lastDay, lastHour } = wear.status;
	t.equal(sinceStart?.bytes, 80 * MB);
	t.equal(lastDay?.spanMs, 24 * HOUR);
	t.equal(lastDay?.bytes, 24 * MB);
	t.equal(lastHour?.bytes, MB);
	t.equal(lastHour?.spanMs, HOUR);
	wear.stop();
	t.equal(clock.pendingTimers, 0);
});

t.test("one sentence says it all", async (t) => {
	const lastDay = {
		bytes: 8.4 * 1024 * 1024,
		spanMs: 23 * HOUR,
		bytesPerYear: 3.1 * 1024 ** 3,
	};
	const pages = { ...noPages(), retained: 800, queues: 150, sessions: 50 };
	t.equal(
		describeWear({ lastDay, pages: { ...pages, checkpoints: 400 } }),
		"8.4 MB written in the last 23 h, about 3.1 GB a year: retained 80 %, queues 15 %, sessions 5 %",
	);
	const young = { bytes: 0, spanMs: 100, bytesPerYear: null };
	t.equal(
		describeWear({ lastDay: young, pages: noPages() }),
		"0 B written in the last 1 min",
	);
});

t.test("a system that does not tell how much is written", async (t) => {
	const { clock, wear, counters } = rig(t, false);
	clock.advance(2 * HOUR);
	counters.pages = { ...noPages(), queues: 4 };
	t.match(wear.status, {
		sinceStart: null,
		lastHour: null,
		lastDay: null,
		lifetimeBytes: null,
		words: "the system does not tell how much is written: queues 100 %",
	});
});

t.test(
	"names the topic that causes most retained writes, once a day",
	async (t) => {
		const { clock, lines, wear, hour } = rig(t);
		hour(700, "meters/power");
		hour(100, "door");
		t.match(wear.status.busiestTopic, { topic: "meters/power", writes: 700 });
		clock.advance(HOUR);
		t.equal(lines.length, 1);
		t.match(lines[0], /warning store one topic causes most/);
		t.match(lines[0], /topic=meters\/power writes_in_an_hour=700 share="88 %"/);
		t.match(lines[0], /mend="retained.meters\/power.write_every = 60s"/);
		t.match(wear.status.busiestTopic, { topic: "meters/power" }, "still known");
		for (let i = 0; i < 23; i++) {
			hour(700, "meters/power");
			clock.advance(HOUR);
		}
		t.equal(lines.length, 1, "once a day");
		hour(700, "lamp", false);
		clock.advance(HOUR);
		t.match(
			lines[1],
			/mend="publish it with QoS 0 and set retained.lamp.write/,
		);
	},
);

t.test(
	"says nothing when many topics write, or when it is little",
	async (t) => {
		const { clock, lines, hour } = rig(t);
		hour(200, "meters/power");
		clock.advance(HOUR);
		for (let i = 0; i < 20; i++) hour(100, `meters/${i}`);
		clock.advance(HOUR);
		t.strictSame(lines, []);
	},
);

t.test("the broker's status and $SYS have it", async (t) => {
	const { running, clock } = await startBroker(t);
	const { wear } = running.api.status;
	const isTold = writtenBytes("process") !== null;
	t.equal(wear.sinceStart !== null, isTold);
	t.strictSame(wear.pages, noPages());
	const seen = new Set<string>();
	running.api.onPublish(({ topic }) => {
		seen.add(topic);
		return true;
	});
	clock.advance(20_000);
	t.ok(seen.has("$SYS/broker/store/pages/queues"));
	t.ok(seen.has("$SYS/broker/store/wear"));
	t.equal(seen.has("$SYS/broker/store/written/bytes"), isTold);
});
