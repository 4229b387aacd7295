/**
 * Keeps systemd informed from the start to the stop: the time that a start needs, that
 * the broker is ready, how it does, that it lives. Owned by service.ts; main thread only.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import type { Broker } from "./broker/broker.ts";
import type { RunningBroker } from "./compose.ts";
import type { Settings } from "./config/config.ts";
import { LifeSigns, type LifeSignsParts } from "./life-signs.ts";
import type { Clock, TimerHandle } from "./platform/clock.ts";
import type { LogFormat } from "./platform/logger.ts";
import { noSupervisor, type Supervisor } from "./platform/supervisor.ts";
import { statusLine } from "./status-line.ts";

const STATUS_MS = 5000;
/** While it starts: how often systemd is asked for more time, and for how much. */
const EXTEND_EVERY_MS = 5000;
const EXTEND_BY_MS = 30_000;
/** A start gets this much, and the time that the slowest card needs to read all of the database. */
const LEAST_START_MS = 60_000;
const SLOWEST_BYTES_PER_MS = 1024;
/** Beyond main.ts's own limit for a stop. */
const STOP_MS = 20_000;

export class Supervision {
	readonly #supervisor: Supervisor;
	readonly #clock: Clock;
	readonly #lifeSigns: LifeSigns;
	#timer: TimerHandle | null = null;
	#lastLookMs = 0;
	#lastReceived = 0;

	constructor(parts: LifeSignsParts) {
		this.#supervisor = parts.supervisor;
		this.#clock = parts.clock;
		this.#lifeSigns = new LifeSigns(parts);
	}

	/** The store is about to be opened: a large database, or one to be saved, takes its time. */
	opening(settings: Settings): void {
		this.#lifeSigns.begin();
		if (this.#supervisor === noSupervisor) return;
		const bytes = settings.persistence ? databaseBytes(settings) : 0;
		const size = bytes > 0 ? ` (${Math.ceil(bytes / (1024 * 1024))} MB)` : "";
		this.#supervisor.status(`opening the database${size}`);
		const end = LEAST_START_MS + bytes / SLOWEST_BYTES_PER_MS;
		this.#extendUntil(this.#clock.monotonicMs() + end);
	}

	/**
	 * Clients are served.
	 * @param format of log lines
	 */
	ready(running: RunningBroker, format: LogFormat): void {
		if (this.#supervisor === noSupervisor) return;
		const { broker } = running;
		this.#stopTimer();
		this.#lastLookMs = this.#clock.monotonicMs();
		this.#lastReceived = broker.statistics.publishReceived;
		this.#supervisor.ready(this.#statusOf(broker, 0));
		this.#followStatus(broker);
		this.#lifeSigns.watch(running, format);
	}

	/** @param savingMs what it may take to save a state that is in memory */
	stopping(clients: number, savingMs: number): void {
		this.#stopTimer();
		this.#supervisor.stopping(
			`stopping: clients are told (${clients}), what waits is written`,
		);
		this.#supervisor.extendTimeout(STOP_MS + savingMs);
		this.#lifeSigns.endPings();
	}

	/** The end of the process is in order. */
	stopped(): void {
		this.#lifeSigns.end();
	}

	/** A start that hangs beyond all reason ends after all. */
	#extendUntil(endMs: number): void {
		this.#timer = this.#clock.setTimer(() => {
			if (this.#clock.monotonicMs() > endMs) return;
			this.#supervisor.extendTimeout(EXTEND_BY_MS);
			this.#extendUntil(endMs);
		}, EXTEND_EVERY_MS);
	}

	#followStatus(broker: Broker): void {
		this.#timer = this.#clock.setTimer(() => {
			this.#supervisor.status(
				this.#statusOf(broker, this.#messageRate(broker)),
			);
			this.#followStatus(broker);
		}, STATUS_MS);
	}

	#statusOf(broker: Broker, messageRate: number): string {
		return statusLine({
			clients: broker.connections.size,
			messageRate,
			queuedBytes: broker.counters.queuedBytes,
			storeTrouble:
				broker.safeMode.alarm ||
				broker.store.counters.trouble ||
				(broker.ramState?.alarm ?? ""),
			memoryStage: broker.overload.status.stage,
		});
	}

	/** Since the last look. */
	#messageRate({ statistics }: Broker): number {
		const nowMs = this.#clock.monotonicMs();
		const received = statistics.publishReceived - this.#lastReceived;
		const seconds = (nowMs - this.#lastLookMs) / 1000;
		this.#lastLookMs = nowMs;
		this.#lastReceived = statistics.publishReceived;
		return seconds > 0 ? received / seconds : 0;
	}

	#stopTimer(): void {
		if (this.#timer !== null) this.#clock.clearTimer(this.#timer);
		this.#timer = null;
	}
}

/** What the slowest card needs to write so much. */
export function savingTimeMs(bytes: number): number {
	return Math.ceil(bytes / SLOWEST_BYTES_PER_MS);
}

/** The database with its log. */
function databaseBytes({ data_dir }: Settings): number {
	const sizeOf = (name: string) =>
		statSync(join(data_dir, name), { throwIfNoEntry: false })?.size ?? 0;
	try {
		return sizeOf("broker.db") + sizeOf("broker.db-wal");
	} catch {
		return 0; // opening it will say why it cannot be looked at
	}
}
