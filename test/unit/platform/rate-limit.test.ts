import t from "tap";
import { RateLimit } from "../../../src/platform/logger.ts";
import { FakeClock } from "../../support/fake-clock.ts";

t.test("allows one per key and interval and counts the others", async (t) => {
	const clock = new FakeClock();
	const limit = new RateLimit(clock, 1000);
	t.equal(limit.check("a"), 0);
	t.equal(limit.check("a"), -1);
	t.equal(limit.check("b"), 0);
	clock.advance(999);
	t.equal(limit.check("a"), -1);
	clock.advance(1);
	t.equal(limit.check("a"), 2);
	t.equal(limit.check("a"), -1);
	t.equal(limit.check("b"), 0);
	clock.advance(50_000);
	t.equal(limit.check("a"), 1);
});

t.test("does not care what the wall clock does", async (t) => {
	const clock = new FakeClock();
	const limit = new RateLimit(clock, 1000);
	limit.check("a");
	clock.jumpWall(1e9);
	t.equal(limit.check("a"), -1);
	clock.jumpWall(-1e10);
	clock.advance(1000);
	t.equal(limit.check("a"), 1);
});

t.test("made-up keys share one allowance when the table is full", async (t) => {
	const clock = new FakeClock();
	const limit = new RateLimit(clock, 1000, 3);
	const allowed = (count: number, prefix: string) => {
		let lines = 0;
		for (let i = 0; i < count; i++) if (limit.check(prefix + i) >= 0) lines++;
		return lines;
	};
	t.equal(allowed(1000, "x"), 4);
	clock.advance(500);
	t.equal(allowed(1000, "y"), 0);
	clock.advance(500);
	t.equal(limit.check("x0"), 0);
	t.equal(
		allowed(1000, "z"),
		3,
		"the past ones made room for two, and the shared one",
	);
	clock.advance(1000);
	t.equal(limit.check("w"), 0);
});

t.test("very long keys are known by their beginning", async (t) => {
	const limit = new RateLimit(new FakeClock(), 1000);
	t.equal(limit.check("k".repeat(60_000)), 0);
	t.equal(limit.check("k".repeat(60_001)), -1);
});
