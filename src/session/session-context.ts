/** What every session shares: one object for all of them, made by the broker. */
import type { Settings } from "../config/schema.ts";
import type { ByteBudget } from "../platform/byte-budget.ts";
import type { Clock } from "../platform/clock.ts";
import type { Logger, RateLimit } from "../platform/logger.ts";
import type { TimerWheel } from "../platform/timer-wheel.ts";
import type { Store } from "../store/store.ts";
import type { SessionCounters } from "./session-counters.ts";

/** How much of a queue, or of a retained replay, is read into memory at once; changes with the need. */
export interface HeadLimits {
	messages: number;
	bytes: number;
}

export const ROOMY_HEAD: Readonly<HeadLimits> = {
	messages: 64,
	bytes: 128 * 1024,
};
/** While memory is short. */
export const SCANTY_HEAD: Readonly<HeadLimits> = {
	messages: 4,
	bytes: 16 * 1024,
};

export interface SessionContext {
	readonly settings: Settings;
	readonly clock: Clock;
	readonly wheel: TimerWheel;
	readonly store: Store;
	readonly log: Logger;
	/** One line per client and interval. */
	readonly logLimit: RateLimit;
	/** Holds every message that is in some session's window or head. */
	readonly messageBudget: ByteBudget;
	/** Sessions and the QoS 2 ids they have received. */
	readonly sessionBudget: ByteBudget;
	readonly willBudget: ByteBudget;
	/** Retained messages that were read for new subscriptions. */
	readonly retainedBudget: ByteBudget;
	readonly counters: SessionCounters;
	readonly head: HeadLimits;
	/** The packet id that each connection begins with. */
	readonly firstPacketId: number;
}
