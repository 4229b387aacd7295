/**
 * The proofs behind the pings of systemd's watchdog, and the heartbeats by which another
 * thread, or the next start, can tell that this process stood still. Without a watchdog
 * only the file of heartbeats is kept. Owned by supervision.ts; main thread only.
 */
import { testRouter } from "./broker/self-test.ts";
import type { RunningBroker } from "./compose.ts";
import type { Clock, TimerHandle } from "./platform/clock.ts";
import {
	describeTraces,
	type HeartbeatFile,
} from "./platform/heartbeat-file.ts";
import type { LogFormat, Logger } from "./platform/logger.ts";
import type { Supervisor } from "./platform/supervisor.ts";
import { type Proof, Watchdog } from "./platform/watchdog.ts";

/** Beats, and looks of the store's thread at them, in the time of systemd's watchdog. */
const BEATS = 12;
/** Looks without a beat after which the store's thread says so: time is left to be heard. */
const PATIENCE = 7;
const BEAT_MS = 5000;

export interface LifeSignsParts {
	readonly supervisor: Supervisor;
	readonly clock: Clock;
	readonly log: Logger;
	readonly heartbeats: HeartbeatFile | null;
}

export class LifeSigns {
	readonly #parts: LifeSignsParts;
	readonly #beats = new Int32Array(new SharedArrayBuffer(4));
	readonly #beatMs: number;
	#beatTimer: TimerHandle | null = null;
	#watchdog: Watchdog | null = null;

	constructor(parts: LifeSignsParts) {
		this.#parts = parts;
		const { watchdogMs } = parts.supervisor;
		this.#beatMs = Math.min(
			BEAT_MS,
			watchdogMs > 0 ? watchdogMs / BEATS : BEAT_MS,
		);
	}

	/** The process begins: says what became of the one before. */
	begin(): void {
		const { heartbeats, log, supervisor } = this.#parts;
		const traces = heartbeats?.read() ?? null;
		if (traces !== null)
			log.system.error(describeTraces(traces, supervisor.watchdogMs));
		if (heartbeats !== null || supervisor.watchdogMs > 0) this.#beat();
	}

	/** Clients are served: systemd waits for pings from now on. */
	watch(running: RunningBroker, format: LogFormat): void {
		const { supervisor, clock, log, heartbeats } = this.#parts;
		const { watchdogMs } = supervisor;
		if (watchdogMs === 0) return;
		running.broker.store.watchMainThread({
			beats: this.#beats.buffer,
			lookMs: watchdogMs / BEATS,
			patience: PATIENCE,
			format,
			noteFile: heartbeats?.path ?? "",
		});
		this.#watchdog = new Watchdog({
			clock,
			timeoutMs: watchdogMs,
			proofs: () => proofsOf(running),
			ping: () => supervisor.ping(),
			accuse: (words) => {
				log.system.error(words);
				heartbeats?.note(words);
			},
			note: (words) => log.system.warning(words),
		});
		this.#watchdog.start();
	}

	/** The last ping: from here on main.ts sees to it that there is an end. */
	endPings(): void {
		this.#watchdog?.stop();
		this.#parts.supervisor.ping();
	}

	/** The process ends in order. */
	end(): void {
		if (this.#beatTimer !== null) this.#parts.clock.clearTimer(this.#beatTimer);
		this.#beatTimer = null;
		this.#parts.heartbeats?.remove();
	}

	#beat(): void {
		Atomics.add(this.#beats, 0, 1);
		this.#parts.heartbeats?.beat();
		this.#beatTimer = this.#parts.clock.setTimer(
			() => this.#beat(),
			this.#beatMs,
		);
	}
}

function proofsOf({ broker, listeners }: RunningBroker): Proof[] {
	const proofs: Proof[] = [
		{
			name: "the router",
			mayBeImpossible: false,
			prove: async () => testRouter(broker),
		},
		{
			name: "the store",
			mayBeImpossible: false,
			prove: () => broker.store.barrier(),
		},
	];
	for (const { name, doors } of listeners.values())
		for (const { address, knock } of doors)
			proofs.push({
				name: `the listener ${name} on ${address}`,
				mayBeImpossible: true,
				prove: knock,
			});
	return proofs;
}
