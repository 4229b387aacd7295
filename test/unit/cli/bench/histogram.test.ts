import fc from "fast-check";
import t from "tap";
import { Histogram } from "../../../../src/cli/bench/histogram.ts";

t.test("nothing counted", async (t) => {
	t.same(new Histogram().percentiles(), {
		count: 0,
		p50: 0,
		p95: 0,
		p99: 0,
		p999: 0,
		max: 0,
	});
});

t.test("a percentile is at most 1.6 % above the true one, never below", (t) => {
	const times = fc.array(fc.double({ min: 0, max: 4e9, noNaN: true }), {
		minLength: 1,
		maxLength: 200,
	});
	const share = fc.double({ min: 0.001, max: 1, noNaN: true });
	fc.assert(
		fc.property(times, share, (times, share) => {
			const histogram = new Histogram();
			for (const time of times) histogram.add(time);
			const sorted = times.toSorted((a, b) => a - b);
			const exact = sorted[Math.ceil(share * times.length) - 1] ?? 0;
			const told = histogram.percentile(share);
			// Below 128 us the steps are of one microsecond.
			return (
				told >= exact && told <= Math.max(exact + 1, exact * (1 + 1 / 64) + 1)
			);
		}),
	);
	t.end();
});

t.test("what no histogram holds is counted all the same", async (t) => {
	const histogram = new Histogram();
	histogram.add(-3);
	histogram.add(1e12);
	t.equal(histogram.count, 2);
	t.equal(histogram.percentiles().max, 1e12);
	t.ok(histogram.percentile(0.5) <= 1);
	histogram.reset();
	t.equal(histogram.count, 0);
	t.equal(histogram.percentile(0.99), 0);
});
