/**
 * Safe mode: the state in `data_dir` is not used, the database is in memory, and what is
 * acknowledged does not survive a restart. Says so as long as it lasts. Entered before the
 * start, left by a restart only.
 */
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logger.ts";
import { type TimerTarget, WheelTimer } from "../platform/timer-wheel.ts";

const REMIND_MS = 3_600_000;
/** How often it is tried whether a restart would help. */
const TRY_MS = 60_000;

const HOW_TO_LEAVE =
	"restart the broker to leave safe mode (systemctl restart broker)";

export interface SafeModeParts {
	readonly clock: Clock;
	readonly wheel: { schedule(timer: WheelTimer, delayMs: number): void };
	readonly log: Logger;
}

export class SafeMode implements TimerTarget {
	#why = "";
	#canLeave: (() => Promise<boolean>) | null = null;
	#mayLeave = false;
	#parts: SafeModeParts | null = null;
	#remindedAtMs = 0;
	readonly #timer = new WheelTimer(this);

	get isOn(): boolean {
		return this.#why !== "";
	}

	/** In words: what has happened, what that means, what to do. Empty while it is off. */
	get alarm(): string {
		if (!this.isOn) return "";
		const state =
			"safe mode: sessions and messages are in memory only, and what is acknowledged does not survive a restart";
		return `${state}: ${this.#why}${this.#mayLeave ? `; this is over: ${HOW_TO_LEAVE}` : ""}`;
	}

	/**
	 * @param why in words, with what mends it
	 * @param canLeave tries whether the cause is gone; null when only a restart can tell
	 */
	enter(why: string, canLeave: (() => Promise<boolean>) | null): void {
		this.#why = why;
		this.#canLeave = canLeave;
	}

	/** The broker is about to run: from now on it is said, at once and every hour. */
	begin(parts: SafeModeParts): void {
		if (!this.isOn) return;
		this.#parts = parts;
		this.#remind(parts);
		parts.wheel.schedule(this.#timer, TRY_MS);
	}

	onTimer(): void {
		const parts = this.#parts;
		if (parts === null) return;
		parts.wheel.schedule(this.#timer, TRY_MS);
		const { clock } = parts;
		if (clock.monotonicMs() - this.#remindedAtMs >= REMIND_MS)
			this.#remind(parts);
		this.#canLeave?.().then(
			(mayLeave) => this.#note(mayLeave, parts),
			() => this.#note(false, parts),
		);
	}

	#remind({ clock, log }: SafeModeParts): void {
		this.#remindedAtMs = clock.monotonicMs();
		log.store.error(this.alarm);
	}

	#note(mayLeave: boolean, { log }: SafeModeParts): void {
		if (mayLeave === this.#mayLeave) return;
		this.#mayLeave = mayLeave;
		if (mayLeave)
			log.store.warning(
				`data_dir can be written again: ${HOW_TO_LEAVE}; what came since the start is lost then`,
			);
	}
}
