import fc from "fast-check";
import t from "tap";
import { TimerWheel, WheelTimer } from "../../../src/platform/timer-wheel.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const TICK_MS = 10;
const TIMERS = 8;

const delay = fc.oneof(
	fc.integer({ min: 0, max: 2000 }),
	fc.integer({ min: 0, max: 100_000_000 }),
	fc.constantFrom(0, 10, 630, 640, 650, 40_960, 41_000, 2_621_440, Infinity),
);
const timer = fc.nat(TIMERS - 1);
const step = fc.oneof(
	fc.record({ kind: fc.constant("schedule" as const), timer, ms: delay }),
	fc.record({
		kind: fc.constant("cancel" as const),
		timer,
		ms: fc.constant(0),
	}),
	fc.record({
		kind: fc.constantFrom("advance" as const, "suspend" as const),
		timer,
		ms: fc.oneof(fc.nat(50), fc.nat(5000), fc.nat(200_000_000)),
	}),
);
/** What a timer does when it fires: schedules another one, or cancels it (-1). */
const reaction = fc.option(fc.tuple(timer, fc.oneof(delay, fc.constant(-1))));

interface Due {
	readonly ms: number;
	readonly tick: number;
}

/** Holds the wheel against a plain list of due times. */
class Model {
	readonly clock = new FakeClock();
	readonly wheel = new TimerWheel(this.clock, TICK_MS);
	readonly due: (Due | null)[] = new Array(TIMERS).fill(null);
	readonly errors: string[] = [];
	readonly #originMs = this.clock.monotonicMs();
	readonly #timers: WheelTimer[] = [];
	readonly #reactions: readonly ([number, number] | null)[];
	#reactionsLeft = 200;
	#suspendedFromMs = Infinity;

	constructor(reactions: readonly ([number, number] | null)[]) {
		this.#reactions = reactions;
		for (let i = 0; i < TIMERS; i++)
			this.#timers.push(new WheelTimer({ onTimer: () => this.#onTimer(i) }));
	}

	schedule(index: number, ms: number): void {
		this.wheel.schedule(this.#timers[index] as WheelTimer, ms);
		const dueMs = this.clock.monotonicMs() + ms;
		const tick = Math.ceil((dueMs - this.#originMs) / TICK_MS);
		this.due[index] = ms === Infinity ? null : { ms: dueMs, tick };
	}

	cancel(index: number): void {
		this.wheel.cancel(this.#timers[index] as WheelTimer);
		this.due[index] = null;
	}

	advance(ms: number): void {
		this.clock.advance(ms);
		this.#check();
	}

	suspend(ms: number): void {
		this.#suspendedFromMs = this.clock.monotonicMs();
		this.clock.suspend(ms);
		this.#suspendedFromMs = Infinity;
		this.#check();
	}

	#onTimer(index: number): void {
		const nowMs = this.clock.monotonicMs();
		const due = this.due[index] ?? null;
		this.due[index] = null;
		if (due === null) this.errors.push(`${index} was not scheduled`);
		else {
			if (nowMs < due.ms) this.errors.push(`${index} is early`);
			const lateFromMs = Math.max(due.ms, this.#lateAllowedMs(nowMs));
			if (nowMs - lateFromMs > TICK_MS) this.errors.push(`${index} is late`);
			for (const other of this.due)
				if (other !== null && other.tick < due.tick - 1)
					this.errors.push(`${index} overtakes`);
		}
		const reaction = this.#reactions[index];
		if (!reaction || this.#reactionsLeft-- <= 0) return;
		const [other, ms] = reaction;
		if (ms < 0) this.cancel(other);
		else this.schedule(other, ms);
	}

	/** While the process stood still nothing could fire. */
	#lateAllowedMs(nowMs: number): number {
		return this.#suspendedFromMs === Infinity ? 0 : nowMs;
	}

	#check(): void {
		const nowMs = this.clock.monotonicMs();
		const scheduled = this.due.filter((due) => due !== null);
		if (this.wheel.size !== scheduled.length) this.errors.push("size");
		if (this.clock.pendingTimers !== (scheduled.length > 0 ? 1 : 0))
			this.errors.push("system timers");
		for (const due of scheduled)
			if (nowMs - due.ms > TICK_MS) this.errors.push("has not fired");
		for (const [i, due] of this.due.entries())
			if (this.#timers[i]?.isScheduled !== (due !== null))
				this.errors.push("isScheduled");
	}
}

t.test("does what a sorted list of due times does", async () => {
	fc.assert(
		fc.property(
			fc.array(step, { maxLength: 60 }),
			fc.array(reaction, { minLength: TIMERS, maxLength: TIMERS }),
			(steps, reactions) => {
				const model = new Model(reactions);
				for (const { kind, timer, ms } of steps) {
					if (kind === "schedule") model.schedule(timer, ms);
					else if (kind === "cancel") model.cancel(timer);
					else model[kind](ms);
				}
				if (model.errors.length > 0) throw new Error(model.errors.join(", "));
			},
		),
		{ numRuns: 2000 },
	);
});
