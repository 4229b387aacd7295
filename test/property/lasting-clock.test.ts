/**
 * Lasting time over any sequence of runs, kills and wrong clocks: it never goes faster than
 * true time, and never slower than the time that the broker runs.
 */
import fc from "fast-check";
import t from "tap";
import { LastingClock, type Moment } from "../../src/platform/lasting-clock.ts";
import { FakeClock } from "../support/fake-clock.ts";

const RUNS = Number(process.env.PROPERTY_RUNS ?? 1000);
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const YEAR_MS = 366 * 24 * HOUR_MS;
/** What is not noticed as a jump. */
const TOLERANCE_MS = MINUTE_MS;

/** As a clock that is set: by more than the tolerance. */
const jumpMs = fc
	.integer({ min: 2 * MINUTE_MS, max: 60 * YEAR_MS })
	.chain((ms) => fc.constantFrom(ms, -ms));
/** As a clock that is wrong after a boot: behind, or ahead by years. */
const bootErrorMs = fc.oneof(
	fc.constant(0),
	fc.integer({ min: -60 * YEAR_MS, max: -30 * 24 * HOUR_MS }),
	fc.integer({ min: 2 * YEAR_MS, max: 60 * YEAR_MS }),
);
const step = fc.oneof(
	fc.record({
		kind: fc.constant("run" as const),
		ms: fc.integer({ min: 1, max: 48 * HOUR_MS }),
	}),
	fc.record({ kind: fc.constant("jump" as const), ms: jumpMs }),
	fc.record({
		kind: fc.constant("restart" as const),
		offMs: fc.integer({ min: 0, max: 20 * 24 * HOUR_MS }),
		errorMs: bootErrorMs,
		isKilled: fc.boolean(),
	}),
);

t.test(
	"between running time and true time, whatever the wall clock does",
	async () => {
		fc.assert(
			fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
				const system = new FakeClock();
				let lasting = new LastingClock(system);
				const startedMs = lasting.wallMs();
				let saved: Moment = lasting.now();
				let trueMs = 0;
				let ranMs = 0;
				let restarts = 0;
				for (const each of steps) {
					if (each.kind === "run") {
						system.advance(each.ms);
						trueMs += each.ms;
						ranMs += each.ms;
					} else if (each.kind === "jump") {
						system.jumpWall(each.ms);
						const seenMs = lasting.takeJump();
						if (Math.abs(seenMs - each.ms) > TOLERANCE_MS) return false;
						saved = lasting.now();
					} else {
						restarts++;
						// A kill forgets what ran since the last saving.
						if (!each.isKilled) saved = lasting.now();
						const isBack = each.errorMs !== 0;
						if (each.isKilled && isBack)
							ranMs -= lasting.wallMs() - saved.lastingMs;
						system.jumpWall(each.offMs + each.errorMs);
						trueMs += each.offMs;
						lasting = new LastingClock(system);
						lasting.continueFrom(saved);
						saved = lasting.now();
					}
				}
				const lastedMs = lasting.wallMs() - startedMs;
				const slackMs = 1 + restarts;
				return lastedMs <= trueMs + slackMs && lastedMs >= ranMs - slackMs;
			}),
			{ numRuns: RUNS },
		);
	},
);

t.test("a clock that is right is followed across restarts", async (t) => {
	const system = new FakeClock();
	let lasting = new LastingClock(system);
	for (const offMs of [0, 1000, HOUR_MS, YEAR_MS - 1]) {
		const saved = lasting.now();
		system.jumpWall(offMs);
		lasting = new LastingClock(system);
		t.ok(lasting.continueFrom(saved));
		t.equal(lasting.wallMs(), system.wallMs());
	}
});

t.test("a clock that is slewed is no jump, until it is far off", async (t) => {
	const system = new FakeClock();
	const lasting = new LastingClock(system);
	for (let second = 1; second <= 60; second++) {
		system.jumpWall(1000);
		t.equal(lasting.takeJump(), 0);
	}
	system.jumpWall(1000);
	t.equal(lasting.takeJump(), 61_000);
	t.equal(lasting.takeJump(), 0);
});
