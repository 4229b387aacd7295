import t from "tap";
import {
	judge,
	limitNames,
	parseLimit,
} from "../../../../src/cli/bench/limits.ts";
import type { BenchResult } from "../../../../src/cli/bench/result.ts";

const percentiles = {
	count: 100,
	p50: 1000,
	p95: 2000,
	p99: 20_000,
	p999: 30_000,
	max: 40_000,
};

/** The part of a result that limits look at. */
const result = {
	latencyMicros: percentiles,
	connectMicros: percentiles,
	lost: 0,
	duplicates: 2,
	reordered: 0,
	disconnects: 0,
	refused: 0,
	publishRate: 999.9,
	deliverRate: 5000,
	connectRate: 10,
	broker: { cpuMicrosPerMessage: 2.5, rssBytes: 50 * 1024 * 1024 },
} as unknown as BenchResult;

function verdict(figure: string, text: string, of = result) {
	return judge([parseLimit(figure, text, "")], of)[0];
}

t.test("a limit holds when it is met exactly", async (t) => {
	for (const [figure, holds, fails] of [
		["p50", "1ms", "0.9ms"],
		["p99", "20ms", "19ms"],
		["p999", "30ms", "1us"],
		["max", "1s", "39ms"],
		["lost", "0", ""],
		["duplicates", "2", "1"],
		["deliver_rate", "5000", "5001"],
		["publish_rate", "999", "1000"],
		["connect_rate", "10", "11"],
		["connect_p99", "20ms", "19ms"],
		["broker_cpu", "2.5us", "2.4us"],
		["broker_rss", "50MB", "49MB"],
	] as const) {
		t.equal(verdict(figure, holds)?.passed, true, `${figure} ${holds}`);
		if (fails !== "")
			t.equal(verdict(figure, fails)?.passed, false, `${figure} ${fails}`);
	}
});

t.test("every figure can be limited", async (t) => {
	for (const figure of limitNames) {
		const isTime = /^(p\d+|max|connect_p99|broker_cpu)$/.test(figure);
		const { value } = verdict(figure, isTime ? "1us" : "1") ?? {};
		t.equal(typeof value, "number", figure);
	}
});

t.test("the words name the figure, what it was and the limit", async (t) => {
	t.equal(verdict("p99", "10ms")?.words, "p99 20 ms, at most 10 ms");
	t.equal(
		verdict("deliver_rate", "6000")?.words,
		"deliver_rate 5,000/s, at least 6,000/s",
	);
	t.equal(
		verdict("broker_rss", "49MB")?.words,
		"broker_rss 50.0 MB, at most 49.0 MB",
	);
});

t.test("what is not known breaks its limit", async (t) => {
	const blind = { ...result, latencyMicros: null, broker: null };
	t.match(verdict("p99", "1s", blind), {
		passed: false,
		value: null,
		words: "p99 is not known, at most 1.0 s",
	});
	t.match(verdict("broker_rss", "1GB", blind), { passed: false });
});
