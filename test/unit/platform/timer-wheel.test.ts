import t from "tap";
import type { Clock } from "../../../src/platform/clock.ts";
import type { TimerTarget } from "../../../src/platform/timer-wheel.ts";
import { TimerWheel, WheelTimer } from "../../../src/platform/timer-wheel.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const DAY_MS = 86_400_000;

/** Counts how often the system had to wake the process. */
class CountingClock extends FakeClock {
	wakeUps = 0;

	override setTimer(callback: () => void, delayMs: number) {
		return super.setTimer(() => {
			this.wakeUps++;
			callback();
		}, delayMs);
	}
}

class Recorder implements TimerTarget {
	readonly firedAtMs: number[] = [];
	readonly timer = new WheelTimer(this);
	readonly #clock: Clock;
	onFire: () => void = () => {};

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	onTimer(timer: WheelTimer): void {
		if (timer !== this.timer || timer.isScheduled)
			throw new Error("wrong timer");
		this.firedAtMs.push(this.#clock.monotonicMs());
		this.onFire();
	}
}

function setUp(tickMs = 100) {
	const clock = new CountingClock();
	const wheel = new TimerWheel(clock, tickMs);
	const originMs = clock.monotonicMs();
	return { clock, wheel, originMs, recorder: () => new Recorder(clock) };
}

for (const delayMs of [
	0,
	1,
	99,
	100,
	101,
	6_300,
	6_400,
	6_401,
	409_599,
	409_600,
	3_600_000,
	DAY_MS + 50,
	30 * DAY_MS,
	365 * DAY_MS,
	0xffffffff * 1000,
])
	t.test(
		`a timer of ${delayMs} ms is not early and a tick late at most`,
		async (t) => {
			const { clock, wheel, recorder } = setUp();
			clock.advance(37);
			const one = recorder();
			const startMs = clock.monotonicMs();
			wheel.schedule(one.timer, delayMs);
			t.equal(one.timer.isScheduled, true);
			clock.advance(delayMs + 100);
			t.equal(one.firedAtMs.length, 1);
			const lateMs = (one.firedAtMs[0] ?? 0) - startMs - delayMs;
			t.ok(lateMs >= 0 && lateMs <= 100, `late by ${lateMs} ms`);
			t.equal(wheel.size, 0);
			t.equal(clock.pendingTimers, 0);
		},
	);

t.test("a far timer wakes the process a few times only", async (t) => {
	const { clock, wheel, recorder } = setUp();
	const one = recorder();
	wheel.schedule(one.timer, DAY_MS);
	clock.advance(DAY_MS + 100);
	t.equal(one.firedAtMs.length, 1);
	t.ok(clock.wakeUps <= 4, `${clock.wakeUps} times`);
});

t.test("a delay beyond the wheel's and the system's reach", async (t) => {
	const { clock, wheel, recorder } = setUp(0.001);
	const one = recorder();
	const delayMs = 64 ** 6 * 0.001 * 3;
	wheel.schedule(one.timer, delayMs);
	clock.advance(delayMs - 1);
	t.equal(one.firedAtMs.length, 0);
	clock.advance(2);
	t.equal(one.firedAtMs.length, 1);
	wheel.schedule(one.timer, Number.MAX_VALUE);
	clock.advance(1e9);
	t.equal(wheel.size, 1);
});

t.test(
	"Infinity never fires, and takes back an earlier schedule",
	async (t) => {
		const { clock, wheel, recorder } = setUp();
		const one = recorder();
		wheel.schedule(one.timer, 500);
		wheel.schedule(one.timer, Infinity);
		t.equal(one.timer.isScheduled, false);
		t.equal(wheel.size, 0);
		t.equal(clock.pendingTimers, 0);
		clock.advance(10_000);
		t.same(one.firedAtMs, []);
	},
);

t.test(
	"a delay below zero is none, and no number at all is a bug",
	async (t) => {
		const { clock, wheel, recorder } = setUp();
		const one = recorder();
		wheel.schedule(one.timer, -5000);
		clock.advance(100);
		t.equal(one.firedAtMs.length, 1);
		t.throws(() => wheel.schedule(one.timer, Number.NaN), TypeError);
	},
);

t.test("rescheduling moves a timer, sooner and later", async (t) => {
	const { clock, wheel, originMs, recorder } = setUp();
	const one = recorder();
	wheel.schedule(one.timer, 10_000);
	wheel.schedule(one.timer, 1000);
	t.equal(wheel.size, 1);
	clock.advance(500);
	wheel.schedule(one.timer, 2000);
	clock.advance(10_000);
	t.same(one.firedAtMs, [originMs + 2500]);
});

t.test(
	"one system timer at most, none when nothing is scheduled",
	async (t) => {
		const { clock, wheel, recorder } = setUp();
		const all = Array.from({ length: 50 }, recorder);
		t.equal(clock.pendingTimers, 0);
		for (const [i, { timer }] of all.entries()) {
			wheel.schedule(timer, 5000 - i * 90);
			t.equal(clock.pendingTimers, 1);
		}
		t.equal(clock.nextTimerMs, 600);
		for (const { timer } of all) wheel.cancel(timer);
		wheel.cancel((all[0] as Recorder).timer);
		t.equal(wheel.size, 0);
		t.equal(clock.pendingTimers, 0);
	},
);

t.test(
	"keep alive timers that are pushed back do not touch the system timer",
	async (t) => {
		const { clock, wheel, recorder } = setUp();
		const one = recorder();
		wheel.schedule(one.timer, 60_000);
		for (let i = 0; i < 1000; i++) {
			clock.advance(1000);
			wheel.schedule(one.timer, 60_000);
		}
		t.same(one.firedAtMs, []);
		t.ok(clock.wakeUps <= 40, `${clock.wakeUps} wake-ups`);
	},
);

t.test("timers of one slot can cancel and reschedule each other", async (t) => {
	const { clock, wheel, originMs, recorder } = setUp();
	const [a, b, c, d] = [recorder(), recorder(), recorder(), recorder()];
	for (const { timer } of [a, b, c, d]) wheel.schedule(timer, 1000);
	a.onFire = () => {
		wheel.cancel(b.timer);
		wheel.schedule(c.timer, 6400);
	};
	clock.advance(20_000);
	t.same(a.firedAtMs, [originMs + 1000]);
	t.same(b.firedAtMs, []);
	t.same(c.firedAtMs, [originMs + 7400]);
	t.same(d.firedAtMs, [originMs + 1000]);
});

t.test(
	"a timer that schedules itself again fires once a tick at most",
	async (t) => {
		const { clock, wheel, originMs, recorder } = setUp();
		const one = recorder();
		one.onFire = () => wheel.schedule(one.timer, 0);
		wheel.schedule(one.timer, 0);
		clock.advance(450);
		t.same(
			one.firedAtMs.map((ms) => ms - originMs),
			[100, 200, 300, 400],
		);
		one.onFire = () => {};
	},
);

t.test(
	"after a long suspension all due timers fire once, in order, at once",
	async (t) => {
		const { clock, wheel, recorder } = setUp();
		const order: number[] = [];
		const delays = [50, 7000, 900_000, 2 * DAY_MS, 300 * DAY_MS, 400 * DAY_MS];
		for (const delayMs of delays.toReversed()) {
			const one = recorder();
			one.onFire = () => order.push(delayMs);
			wheel.schedule(one.timer, delayMs);
		}
		const again = recorder();
		again.onFire = () => wheel.schedule(again.timer, 6350);
		wheel.schedule(again.timer, 100);
		clock.suspend(350 * DAY_MS);
		t.same(order, delays.slice(0, 5));
		t.equal(again.firedAtMs.length, 1, "what was missed is not made up for");
		clock.advance(6500);
		t.equal(again.firedAtMs.length, 2);
		t.equal(wheel.size, 2);
	},
);

t.test(
	"a slot emptied by its own last timer does not catch what follows",
	async (t) => {
		const { clock, wheel, recorder } = setUp();
		const one = recorder();
		wheel.schedule(one.timer, 100);
		one.onFire = () => {
			one.onFire = () => {};
			wheel.schedule(one.timer, 5400);
		};
		clock.suspend(1100);
		t.equal(one.firedAtMs.length, 1);
		clock.advance(5300);
		t.equal(one.firedAtMs.length, 1);
		clock.advance(200);
		t.equal(one.firedAtMs.length, 2);
	},
);

t.test("when a target throws, the others still get their turn", async (t) => {
	const { clock, wheel, recorder } = setUp();
	const [bad, good, later] = [recorder(), recorder(), recorder()];
	for (const { timer } of [bad, good]) wheel.schedule(timer, 1000);
	wheel.schedule(later.timer, 2000);
	bad.onFire = () => {
		throw new Error("a bug");
	};
	t.throws(() => clock.advance(1000), { message: "a bug" });
	clock.advance(10);
	t.equal(good.firedAtMs.length, 1);
	clock.advance(1000);
	t.equal(later.firedAtMs.length, 1);
});

t.test("stop cancels everything, also from within a timer", async (t) => {
	const { clock, wheel, recorder } = setUp();
	const [one, two] = [recorder(), recorder()];
	wheel.schedule(one.timer, 1000);
	wheel.schedule(two.timer, 1000);
	one.onFire = () => {
		wheel.stop();
		wheel.schedule(one.timer, 100);
	};
	clock.advance(100_000);
	t.equal(one.firedAtMs.length, 1);
	t.equal(two.firedAtMs.length, 0);
	t.equal(one.timer.isScheduled, false);
	t.equal(two.timer.isScheduled, false);
	t.equal(wheel.size, 0);
	t.equal(clock.pendingTimers, 0);
});
