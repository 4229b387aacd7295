import t from "tap";
import { TakeOverLimiter } from "../../../src/session/take-over-limiter.ts";
import { FakeClock } from "../../support/fake-clock.ts";

t.test("the first take-overs of a minute do not wait", async (t) => {
	const limiter = new TakeOverLimiter(new FakeClock());
	for (let i = 0; i < 5; i++) {
		t.equal(limiter.delayMs("c", 5), 0);
		limiter.note("c");
	}
	t.ok(limiter.delayMs("c", 5) > 0);
	t.equal(limiter.delayMs("other", 5), 0);
});

t.test("the wait doubles up to half a minute", async (t) => {
	const limiter = new TakeOverLimiter(new FakeClock());
	const delays: number[] = [];
	for (let i = 0; i < 12; i++) {
		limiter.note("c");
		delays.push(limiter.delayMs("c", 5));
	}
	t.strictSame(
		delays,
		[0, 0, 0, 0, 2, 4, 8, 16, 30, 30, 30, 30].map((s) => s * 1000),
	);
});

t.test("after a minute all is forgotten", async (t) => {
	const clock = new FakeClock();
	const limiter = new TakeOverLimiter(clock);
	for (let i = 0; i < 9; i++) limiter.note("c");
	clock.advance(60_000);
	t.equal(limiter.delayMs("c", 5), 0);
	limiter.note("c");
	t.equal(limiter.delayMs("c", 5), 0, "counting begins again");
});

t.test("remembers a thousand ids, the old ones go first", async (t) => {
	const clock = new FakeClock();
	const limiter = new TakeOverLimiter(clock);
	for (let i = 0; i < 500; i++) limiter.note(`old ${i}`);
	clock.advance(60_000);
	for (let i = 0; i < 500; i++) limiter.note("fresh");
	for (let i = 0; i < 499; i++) limiter.note(`filler ${i}`);
	limiter.note("one more");
	t.ok(limiter.delayMs("fresh", 5) > 0, "fresh ones stay");
	for (let i = 0; i < 1000; i++) limiter.note(`flood ${i}`);
	t.equal(limiter.delayMs("fresh", 5), 0, "a flood of ids cannot grow it");
});
