import t from "tap";
import { asFile } from "../../../../src/cli/bench/report-picture.ts";
import type { BenchResult } from "../../../../src/cli/bench/result.ts";
import { Timeline } from "../../../../src/cli/bench/timeline.ts";

const percentiles = {
	count: 10,
	p50: 100,
	p95: 900,
	p99: 2000,
	p999: 3000,
	max: 3500,
};

const result: BenchResult = {
	name: 'a<b>&"',
	shape: "fanout",
	publishers: 1,
	subscribers: 3,
	qos: 1,
	payloadBytes: 64,
	mqtt: "5",
	seconds: 2,
	endedEarly: "",
	publishRate: 10,
	deliverRate: 30,
	sent: 20,
	acknowledged: 20,
	refused: 0,
	expected: 60,
	received: 60,
	lost: 0,
	duplicates: 0,
	reordered: 0,
	foreign: 0,
	latencyMicros: percentiles,
	sendLateMicros: null,
	connected: 4,
	connectSeconds: 0.1,
	connectRate: 40,
	connectMicros: percentiles,
	disconnects: 0,
	generator: { cpuShare: 0.1, cpuMicrosPerMessage: 1 },
	broker: null,
	storing: null,
	warnings: ["<script>"],
	limits: [
		{ figure: "p99", bound: 1, value: 2, passed: false, words: "p99 2 us" },
	],
	passed: false,
};

const moments = [1, 2, 3].map((seconds) => ({
	seconds,
	connected: 4,
	sentRate: 10 * seconds,
	receivedRate: 30 * seconds,
}));

t.test("a picture, and a page with the picture", async (t) => {
	const svg = asFile([{ result, moments }], false, "now");
	t.match(svg, /^<\?xml [^>]*\?>\n<svg /);
	t.equal(svg.match(/<polyline /g)?.length, 2, "published and delivered");
	t.match(svg, ">p99.9<");
	t.match(svg, "FAILED");
	const page = asFile([{ result, moments }], true, "now");
	t.match(page, /^<!DOCTYPE html>/);
	t.match(page, "default-src 'none'");
	t.match(page, "<svg ");
	for (const text of [svg, page]) {
		t.notMatch(text, "<script", "no word of a scenario becomes markup");
		const outside = text.match(/(href=|[^-]src=|url\()[^>]*/g) ?? [];
		t.same(outside, [], "nothing comes from elsewhere");
	}
});

t.test("without a second of traffic there is no curve", async (t) => {
	const blind = { ...result, latencyMicros: null };
	const svg = asFile([{ result: blind, moments: [] }], false, "now");
	t.notMatch(svg, "<polyline");
	t.match(svg, "</svg>");
});

t.test("a storm of connections has a curve of its own", async (t) => {
	const storm = {
		...result,
		shape: "connect" as const,
		publishers: 0,
		subscribers: 0,
	};
	const svg = asFile([{ result: storm, moments }], false, "now");
	t.equal(svg.match(/<polyline /g)?.length, 1);
	t.match(svg, "CONNACK, logarithmic");
});

t.test("a long run is kept in fewer moments", async (t) => {
	const timeline = new Timeline();
	for (let seconds = 0; seconds < 10_000; seconds++)
		timeline.add({ seconds, connected: 0, sentRate: 0, receivedRate: 0 });
	t.ok(timeline.moments.length <= 2000);
	t.equal(timeline.moments.at(-1)?.seconds, 9999);
});
