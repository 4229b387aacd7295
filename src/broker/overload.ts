/**
 * Keeps the process below `memory_limit`: watches what is charged and takes stronger
 * measures the more it is. The charged bytes decide, not the RSS, which does not fall
 * when memory is given back; the RSS above the limit is an alarm. When the RSS nears the
 * limit, V8 is asked to save memory rather than time, and free memory is returned.
 *
 *     charged   0 ......... 70 % ......... 80 % ......... 90 % ......... 100 %
 *     stage     Normal      Spill          Slow           Refuse
 *                           heads of       the heaviest   new sessions; QoS 0
 *                           queues leave   publishers     to slow readers is
 *                           memory         wait           dropped
 *
 * A stage ends 5 % below where it began, and not within its first second.
 * Owned by the broker; main thread only. Looked at on each PUBLISH by one compare
 * ({@link lookAt}), and by a timer.
 */
import type { ByteBudget } from "../platform/byte-budget.ts";
import type { Clock } from "../platform/clock.ts";
import type { Logger, RateLimit } from "../platform/logger.ts";
import {
	type TimerTarget,
	type TimerWheel,
	WheelTimer,
} from "../platform/timer-wheel.ts";

export const Stage = { Normal: 0, Spill: 1, Slow: 2, Refuse: 3 } as const;
export type Stage = (typeof Stage)[keyof typeof Stage];

const STAGES: readonly Stage[] = [0, 1, 2, 3];
const STAGE_NAMES = ["normal", "spill", "slow", "refuse"] as const;
const STAGE_SHARES = [0, 0.7, 0.8, 0.9] as const;
const HYSTERESIS = 0.05;
const LEAST_STAY_MS = 1000;
/** Between two looks when nothing is wrong, and when something is. */
const CALM_MS = 1000;
const TENSE_MS = 500;
const LARGEST = 5;
/** Shares of the limit: with the RSS above the one memory is saved, below the other no more. */
const SAVE_FROM = 0.75;
const SAVE_TO = 0.65;
/** Between two returns of free memory; longer while they give back less than `WORTH` of the limit. */
const RETURN_MS = 5000;
const MOST_RETURN_MS = 60_000;
const WORTH = 0.03;
/** The RSS has grown by so much since it was trimmed, and so long ago: it is trimmed again. */
const GROWN_BYTES = 8 * 1024 * 1024;
const TRIM_MS = 30_000;

export interface Holder {
	readonly name: string;
	readonly bytes: number;
	/** The key that bounds it. */
	readonly key: string;
}

/** A snapshot for whoever shows it. */
export interface MemoryStatus {
	/** `memory_limit` in bytes: the most that the process may have in RAM. */
	readonly limitBytes: number;
	/** How much of it may be charged. */
	readonly budgetBytes: number;
	readonly chargedBytes: number;
	readonly residentBytes: number;
	readonly stage: (typeof STAGE_NAMES)[number];
	readonly stageChanges: number;
	/** The RSS nears the limit: V8 collects more often. */
	readonly isSaving: boolean;
	readonly largest: readonly Holder[];
}

export interface OverloadParts {
	readonly clock: Clock;
	readonly wheel: TimerWheel;
	readonly log: Logger;
	readonly logLimit: RateLimit;
	/** The root of all budgets; its limit is set here. */
	readonly memory: ByteBudget;
	readonly holders: readonly ByteBudget[];
	/** Brings those budgets up to date that are counted elsewhere. */
	refresh(): void;
	residentBytes(): number;
	/** Has V8 save memory rather than time, or no longer. */
	preferMemory(isOn: boolean): void;
	/**
	 * Collects and returns what is free; nothing else runs meanwhile.
	 * @param isFirst soon after the start, which leaves much that is never needed again
	 */
	returnFreeMemory(isFirst: boolean): void;
	/** The cheap part of that, in which nothing is collected. */
	trimMemory(): void;
	onStage(stage: Stage): void;
	/** Called at each look while the stage is {@link Stage.Spill} or above. */
	relieve(stage: Stage): void;
}

export class Overload implements TimerTarget {
	stage: Stage = Stage.Normal;
	stageChanges = 0;
	/** Charged bytes at which {@link look} is worth its while. */
	lookAt = Number.POSITIVE_INFINITY;
	limitBytes = Number.POSITIVE_INFINITY;
	readonly #parts: OverloadParts;
	readonly #timer = new WheelTimer(this);
	#changedAtMs = 0;
	#isSaving = false;
	/** The first time is soon after the start: half of its memory was for the start alone. */
	#returnAtMs = 0;
	#returnEveryMs = RETURN_MS;
	#trimmedBytes = Number.POSITIVE_INFINITY;
	#trimmedAtMs = 0;

	constructor(parts: OverloadParts) {
		this.#parts = parts;
	}

	/** Begins to watch, or goes on with other limits. */
	watch(limitBytes: number, budgetBytes: number): void {
		this.limitBytes = limitBytes;
		this.#parts.memory.limit = budgetBytes;
		this.look();
		this.#arm();
	}

	stop(): void {
		this.#parts.wheel.cancel(this.#timer);
	}

	onTimer(): void {
		this.look();
		this.#watchResident();
		this.#arm();
	}

	/** Decides anew which stage it is. */
	look(): void {
		const { memory, refresh, relieve } = this.#parts;
		refresh();
		const next = this.#nextStage();
		if (next !== this.stage) this.#enter(next);
		if (this.stage >= Stage.Spill) relieve(this.stage);
		const share = STAGE_SHARES[Math.min(this.stage + 1, Stage.Refuse)] ?? 1;
		// In the last stage there is nothing more to notice on the hot path.
		this.lookAt =
			this.stage === Stage.Refuse
				? Number.POSITIVE_INFINITY
				: memory.limit * share;
	}

	get largest(): readonly Holder[] {
		return this.#parts.holders
			.map(({ name, used, key }) => ({ name, bytes: used, key }))
			.filter(({ bytes }) => bytes > 0)
			.toSorted((a, b) => b.bytes - a.bytes)
			.slice(0, LARGEST);
	}

	get status(): MemoryStatus {
		const { memory, refresh, residentBytes } = this.#parts;
		refresh();
		return {
			limitBytes: this.limitBytes,
			budgetBytes: memory.limit,
			chargedBytes: memory.used,
			residentBytes: residentBytes(),
			stage: STAGE_NAMES[this.stage],
			stageChanges: this.stageChanges,
			isSaving: this.#isSaving,
			largest: this.largest,
		};
	}

	#nextStage(): Stage {
		const { memory, clock } = this.#parts;
		const share = memory.used / memory.limit;
		const begins =
			STAGES.findLast((stage) => share >= STAGE_SHARES[stage]) ?? 0;
		if (begins >= this.stage) return begins;
		if (clock.monotonicMs() - this.#changedAtMs < LEAST_STAY_MS) {
			return this.stage;
		}
		const stays = share >= STAGE_SHARES[this.stage] - HYSTERESIS;
		return stays ? this.stage : begins;
	}

	#enter(next: Stage): void {
		const { clock, log, logLimit, memory, onStage } = this.#parts;
		const isWorse = next > this.stage;
		this.stage = next;
		this.stageChanges++;
		this.#changedAtMs = clock.monotonicMs();
		onStage(next);
		this.#arm();
		const suppressed = logLimit.check(`memory ${next}`);
		if (suppressed < 0) return;
		const [first] = this.largest;
		const fields = {
			stage: STAGE_NAMES[next],
			charged: inMegabytes(memory.used),
			budget: inMegabytes(memory.limit),
			largest: this.largest
				.map(({ name, bytes }) => `${name} ${inMegabytes(bytes)}`)
				.join(", "),
			raise: "memory_limit",
			or_lower: first?.key ?? "",
			suppressed,
		};
		if (isWorse)
			log.resource.warning(`memory gets short: ${doing(next)}`, fields);
		else log.resource.info(`memory is freer again: ${doing(next)}`, fields);
	}

	#watchResident(): void {
		const { residentBytes, preferMemory } = this.#parts;
		const resident = residentBytes();
		const share = resident / this.limitBytes;
		if (this.#isSaving ? share < SAVE_TO : share > SAVE_FROM) {
			this.#isSaving = !this.#isSaving;
			preferMemory(this.#isSaving);
		}
		const isFirst = this.#returnAtMs === 0;
		if (isFirst || this.#isSaving) this.#returnFreeMemory(resident, isFirst);
		else this.#trimWhenGrown(resident);
		if (share > 1) this.#alarm(resident);
	}

	#returnFreeMemory(resident: number, isFirst: boolean): void {
		const { clock, residentBytes, returnFreeMemory } = this.#parts;
		const nowMs = clock.monotonicMs();
		if (nowMs < this.#returnAtMs) return;
		returnFreeMemory(isFirst);
		const gained = resident - residentBytes();
		const isWorthIt = gained > this.limitBytes * WORTH;
		this.#returnEveryMs = isWorthIt
			? RETURN_MS
			: Math.min(2 * this.#returnEveryMs, MOST_RETURN_MS);
		this.#returnAtMs = nowMs + this.#returnEveryMs;
	}

	/** What a crowd or a burst has left behind, long before the limit is near. */
	#trimWhenGrown(resident: number): void {
		const { clock, residentBytes, trimMemory } = this.#parts;
		const nowMs = clock.monotonicMs();
		this.#trimmedBytes = Math.min(this.#trimmedBytes, resident);
		if (resident - this.#trimmedBytes < GROWN_BYTES) return;
		if (nowMs - this.#trimmedAtMs < TRIM_MS) return;
		trimMemory();
		this.#trimmedAtMs = nowMs;
		this.#trimmedBytes = residentBytes();
	}

	#alarm(resident: number): void {
		const { log, logLimit } = this.#parts;
		const suppressed = logLimit.check("memory rss");
		if (suppressed < 0) return;
		log.resource.error("the process has more memory than memory_limit", {
			resident: inMegabytes(resident),
			limit: inMegabytes(this.limitBytes),
			charged: inMegabytes(this.#parts.memory.used),
			raise: "memory_limit",
			suppressed,
		});
	}

	#arm(): void {
		const ms = this.stage === Stage.Normal ? CALM_MS : TENSE_MS;
		this.#parts.wheel.schedule(this.#timer, ms);
	}
}

function doing(stage: Stage): string {
	switch (stage) {
		case Stage.Normal:
			return "nothing is held back";
		case Stage.Spill:
			return "queues are kept on disk only";
		case Stage.Slow:
			return "publishers that send the most are slowed down";
		default:
			return "new sessions are refused, slow readers lose QoS 0";
	}
}

function inMegabytes(bytes: number): string {
	return `${(bytes / (1024 * 1024)).toFixed(1)}MB`;
}
