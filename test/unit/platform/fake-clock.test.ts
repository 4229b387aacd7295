import t from "tap";
import { FakeClock } from "../../support/fake-clock.ts";

t.test("runs timers in order, each at its own time", async (t) => {
	const clock = new FakeClock(1000);
	const startMs = clock.monotonicMs();
	const seen: string[] = [];
	const note = (name: string) => () =>
		seen.push(`${name} ${clock.monotonicMs() - startMs} ${clock.wallMs()}`);
	clock.setTimer(note("late"), 300);
	clock.setTimer(() => {
		note("early")();
		clock.setTimer(note("nested"), 50);
	}, 100);
	const handle = clock.setTimer(note("cleared"), 120);
	clock.clearTimer(handle);
	t.equal(clock.nextTimerMs, 100);
	clock.advance(200);
	t.same(seen, ["early 100 1100", "nested 150 1150"]);
	t.equal(clock.monotonicMs(), startMs + 200);
	t.equal(clock.pendingTimers, 1);
	clock.suspend(1000);
	t.equal(seen[2], "late 1200 2200");
	t.equal(clock.nextTimerMs, Infinity);
});

t.test("the wall clock jumps and nothing else does", async (t) => {
	const clock = new FakeClock(5000);
	const before = clock.monotonicMs();
	clock.jumpWall(-4000);
	t.equal(clock.wallMs(), 1000);
	t.equal(clock.monotonicMs(), before);
});

t.test("refuses a delay that the system would take for 1 ms", async (t) => {
	const clock = new FakeClock();
	t.throws(() => clock.setTimer(() => {}, 2 ** 31), RangeError);
	t.throws(() => clock.setTimer(() => {}, Number.NaN), RangeError);
});

t.test(
	"advanceAsync lets promises and immediates run between timers",
	async (t) => {
		const clock = new FakeClock();
		const startMs = clock.monotonicMs();
		const seen: number[] = [];
		const sleep = (ms: number) =>
			new Promise<void>((resolve) => clock.setTimer(resolve, ms));
		const work = async () => {
			for (let i = 0; i < 3; i++) {
				await sleep(100);
				await new Promise((resolve) => setImmediate(resolve));
				seen.push(clock.monotonicMs() - startMs);
			}
		};
		const done = work();
		await clock.advanceAsync(1000);
		t.same(seen, [100, 200, 300]);
		await done;
	},
);
