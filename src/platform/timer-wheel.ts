/**
 * Many timers on one system timer: keep alive, session expiry, will delay, retries.
 *
 * Time is cut into ticks. Level 0 has a slot for each of the next 63 ticks, level 1 a
 * slot for each of the next 63 times 64 ticks, and so on: six levels reach 217 years
 * with ticks of 100 ms. A slot is a ring of timers linked through themselves.
 *
 *     level 5  [ ][ ][ ] ... [ ]     slot = 64^5 ticks
 *        :
 *     level 1  [ ][D][ ] ... [ ]     slot = 64 ticks
 *     level 0  [A][ ][B] ... [ ]     slot = 1 tick        B -> C -> back to B
 *               ^ now moves right
 *
 * When `now` reaches the start of a slot of a higher level its timers move down to where
 * they belong (D to level 0, at most five moves in a timer's life); a slot of level 0
 * fires. In between nothing happens: the system timer sleeps until the next occupied
 * slot begins, and a late wake-up jumps from one occupied slot to the next.
 *
 * Owner of the state: the wheel; main thread only; `onTimer` may schedule and cancel
 * anything, itself included.
 */

import type { Clock, TimerHandle } from "./clock.ts";

const LEVELS = 6;
const SLOTS = 64;
/** Ticks in a slot, by level. A number, not a shift: 64^5 times 64 is beyond 32 bits. */
const slotTicks: readonly number[] = Array.from(
	{ length: LEVELS },
	(_, level) => SLOTS ** level,
);
const UNSCHEDULED = -1;
/** The system takes a longer delay for 1 ms; the wheel wakes and sleeps on instead. */
const MAX_SYSTEM_DELAY_MS = 0x7fffffff;

/** What a timer calls when it is due. */
export interface TimerTarget {
	onTimer(timer: WheelTimer): void;
}

/** A timer, scheduled again as often as needed; belongs to one object and one wheel. */
export class WheelTimer {
	readonly target: TimerTarget;
	/** These four are the wheel's. */
	dueTick = 0;
	slot = UNSCHEDULED;
	previous: WheelTimer = this;
	next: WheelTimer = this;

	constructor(target: TimerTarget) {
		this.target = target;
	}

	get isScheduled(): boolean {
		return this.slot !== UNSCHEDULED;
	}
}

/** Timers that never fire early and at most one tick late; all operations are O(1). */
export class TimerWheel {
	readonly #clock: Clock;
	readonly #tickMs: number;
	readonly #originMs: number;
	/** The first timer of each slot, level after level. */
	readonly #slots: (WheelTimer | null)[] = new Array(LEVELS * SLOTS).fill(null);
	readonly #levelSizes: number[] = new Array(LEVELS).fill(0);
	readonly #onWake: () => void = () => this.#wake();
	/** All slots that began at this tick or before are done. */
	#tick = 0;
	/** No occupied slot begins before this tick; too early after a cancel. */
	#nextTick = Infinity;
	#armedTick = Infinity;
	#systemTimer: TimerHandle | null = null;
	#size = 0;
	#isFiring = false;
	#isStopped = false;

	/** @param tickMs the most that a timer may be late, in ms */
	constructor(clock: Clock, tickMs = 100) {
		this.#clock = clock;
		this.#tickMs = tickMs;
		this.#originMs = clock.monotonicMs();
	}

	/** Timers that are scheduled. */
	get size(): number {
		return this.#size;
	}

	/**
	 * Calls the timer's target once, `delayMs` from now; replaces an earlier schedule.
	 * @param delayMs ms; Infinity: never (an earlier schedule is cancelled)
	 * @throws TypeError when the delay is not a number
	 */
	schedule(timer: WheelTimer, delayMs: number): void {
		if (Number.isNaN(delayMs))
			throw new TypeError("a timer's delay is not a number");
		if (delayMs === Infinity || this.#isStopped) {
			this.cancel(timer);
			return;
		}
		if (timer.slot !== UNSCHEDULED) this.#unlink(timer);
		const nowMs = this.#clock.monotonicMs();
		const nowTick = this.#tickAt(nowMs);
		// nothing lies between: coming closer now saves moves between levels later
		const isFree = nowTick < this.#nextTick || this.#size === 0;
		if (isFree && nowTick > this.#tick && !this.#isFiring) this.#tick = nowTick;
		timer.dueTick = this.#dueTick(nowMs + Math.max(delayMs, 0));
		this.#link(timer);
		if (!this.#isFiring) this.#arm(nowMs);
	}

	/** Harmless when the timer is not scheduled. */
	cancel(timer: WheelTimer): void {
		if (timer.slot === UNSCHEDULED) return;
		this.#unlink(timer);
		if (this.#size === 0) this.#disarm();
	}

	/** Cancels all timers; nothing can be scheduled any more. */
	stop(): void {
		this.#isStopped = true;
		for (let slot = 0; slot < this.#slots.length; slot++)
			for (let t = this.#slots[slot]; t; t = this.#slots[slot]) this.#unlink(t);
		this.#disarm();
	}

	#tickAt(nowMs: number): number {
		const tick = Math.floor((nowMs - this.#originMs) / this.#tickMs);
		return this.#msAt(tick) > nowMs ? tick - 1 : tick; // the division was rounded up
	}

	#msAt(tick: number): number {
		return this.#originMs + tick * this.#tickMs;
	}

	/** The first tick that is not before `dueMs`, and after all that is done. */
	#dueTick(dueMs: number): number {
		let tick = Math.ceil((dueMs - this.#originMs) / this.#tickMs);
		if (this.#msAt(tick) < dueMs) tick++; // the division was rounded down
		return Math.max(tick, this.#tick + 1);
	}

	#link(timer: WheelTimer): void {
		const due = timer.dueTick;
		let level = 0;
		let start = due;
		for (; level < LEVELS; level++) {
			const ticks = slotTicks[level] as number;
			const now = Math.floor(this.#tick / ticks);
			const slot = Math.floor(due / ticks);
			start = slot * ticks;
			if (slot - now < SLOTS) break;
		}
		if (level === LEVELS) {
			// beyond the reach of the wheel: as far as it goes, and on from there
			level = LEVELS - 1;
			const ticks = slotTicks[level] as number;
			start = (Math.floor(this.#tick / ticks) + SLOTS - 1) * ticks;
		}
		this.#append(timer, slotOf(level, start));
		if (start < this.#nextTick) this.#nextTick = start;
	}

	#append(timer: WheelTimer, slot: number): void {
		const first = this.#slots[slot];
		if (first) {
			timer.next = first;
			timer.previous = first.previous;
			timer.previous.next = timer;
			first.previous = timer;
		} else this.#slots[slot] = timer;
		timer.slot = slot;
		this.#countIn(slot, 1);
	}

	#unlink(timer: WheelTimer): void {
		const slot = timer.slot;
		if (timer.next === timer) this.#slots[slot] = null;
		else {
			if (this.#slots[slot] === timer) this.#slots[slot] = timer.next;
			timer.previous.next = timer.next;
			timer.next.previous = timer.previous;
			timer.next = timer;
			timer.previous = timer;
		}
		timer.slot = UNSCHEDULED;
		this.#countIn(slot, -1);
	}

	#countIn(slot: number, change: number): void {
		const level = Math.floor(slot / SLOTS);
		this.#levelSizes[level] = (this.#levelSizes[level] as number) + change;
		this.#size += change;
	}

	#wake(): void {
		this.#systemTimer = null;
		this.#armedTick = Infinity;
		const nowTick = this.#tickAt(this.#clock.monotonicMs());
		this.#isFiring = true;
		try {
			this.#nextTick = this.#findNextTick();
			while (this.#nextTick <= nowTick) {
				this.#tick = this.#nextTick;
				this.#moveDown();
				this.#fire(slotOf(0, this.#tick));
				this.#nextTick = this.#findNextTick();
			}
			if (nowTick > this.#tick) this.#tick = nowTick;
		} finally {
			this.#isFiring = false;
			this.#nextTick = this.#findNextTick();
			this.#arm(this.#clock.monotonicMs());
		}
	}

	/** Timers of the higher levels' slots that begin at this tick go to lower levels. */
	#moveDown(): void {
		for (let level = LEVELS - 1; level > 0; level--) {
			if (this.#tick % (slotTicks[level] as number) !== 0) continue;
			const slot = slotOf(level, this.#tick);
			for (let t = this.#slots[slot]; t; t = this.#slots[slot]) {
				this.#unlink(t);
				this.#link(t);
			}
		}
	}

	/** What is scheduled meanwhile is due later and lands in another slot: this ends. */
	#fire(slot: number): void {
		for (let t = this.#slots[slot]; t; t = this.#slots[slot]) {
			this.#unlink(t);
			t.target.onTimer(t);
		}
	}

	/** The start of the next occupied slot; of the current one when a target has thrown. */
	#findNextTick(): number {
		if (this.#slots[slotOf(0, this.#tick)]) return this.#tick;
		let next = Infinity;
		for (let level = 0; level < LEVELS; level++) {
			if (this.#levelSizes[level] === 0) continue;
			const ticks = slotTicks[level] as number;
			const now = Math.floor(this.#tick / ticks);
			for (let step = 1; step < SLOTS; step++) {
				const start = (now + step) * ticks;
				if (start >= next) break;
				if (this.#slots[slotOf(level, start)]) next = start;
			}
		}
		return next;
	}

	/** A system timer that rings too early is left alone: it finds nothing and is set again. */
	#arm(nowMs: number): void {
		if (this.#size === 0) this.#disarm();
		if (this.#size === 0 || this.#nextTick >= this.#armedTick) return;
		if (this.#systemTimer !== null) this.#clock.clearTimer(this.#systemTimer);
		const delayMs = Math.ceil(this.#msAt(this.#nextTick) - nowMs);
		this.#armedTick = this.#nextTick;
		this.#systemTimer = this.#clock.setTimer(
			this.#onWake,
			Math.min(Math.max(delayMs, 0), MAX_SYSTEM_DELAY_MS),
		);
	}

	#disarm(): void {
		if (this.#systemTimer !== null) this.#clock.clearTimer(this.#systemTimer);
		this.#systemTimer = null;
		this.#armedTick = Infinity;
		this.#nextTick = Infinity;
	}
}

function slotOf(level: number, tick: number): number {
	return (
		level * SLOTS + (Math.floor(tick / (slotTicks[level] as number)) % SLOTS)
	);
}
