/** What every session shares: one object for all of them, made by the broker. */
import type { Settings } from "../config/schema.ts";
import type { ByteBudget } from "../platform/byte-budget.ts";
import type { Clock } from "../platform/clock.ts";
import type { Logger, RateLimit } from "../platform/logger.ts";
import type { TimerWheel } from "../platform/timer-wheel.ts";
import type { Store } from "../store/store.ts";
import type { SessionCounters } from "./session-counters.ts";

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
	readonly counters: SessionCounters;
}
