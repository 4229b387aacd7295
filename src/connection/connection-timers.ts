/**
 * The clocks of one connection: how long a peer may be silent, take nothing, be held
 * up by us, and (3.1) leave a message unacknowledged. One object, so that an idle
 * connection costs four small timers and no closure.
 */
import type { TimerHandle } from "../platform/clock.ts";
import { type TimerTarget, WheelTimer } from "../platform/timer-wheel.ts";
import { ReasonCode } from "../protocol/reason-codes.ts";
import type { Connection } from "./connection.ts";
import { logClosed, logRefused } from "./connection-log.ts";
import { ConnectionState, Hold } from "./connection-state.ts";

export class ConnectionTimers implements TimerTarget {
	/** ms between two packets after which the client is gone; 0 for never [MQTT-3.1.2-22]. */
	keepAliveMs = 0;
	/** What goes on when a delayed take-over may proceed. */
	whenDelayOver: (() => void) | null = null;
	readonly #connection: Connection;
	readonly #silence = new WheelTimer(this);
	readonly #send = new WheelTimer(this);
	/** Not on the wheel: its ticks are longer than these pauses. */
	#hold: TimerHandle | null = null;
	readonly #retry = new WheelTimer(this);
	#lastReceivedMs: number;
	#inFlightBefore = 0;

	constructor(connection: Connection) {
		this.#connection = connection;
		const { clock, wheel, settings } = connection.broker;
		this.#lastReceivedMs = clock.monotonicMs();
		wheel.schedule(this.#silence, settings.connect_timeout);
	}

	/** Bytes have arrived, or we have stopped not reading: our pause is not the client's silence. */
	onReceived(): void {
		this.#lastReceivedMs = this.#connection.broker.clock.monotonicMs();
	}

	onOpened(): void {
		const { wheel, settings } = this.#connection.broker;
		if (this.keepAliveMs > 0) wheel.schedule(this.#silence, this.keepAliveMs);
		else wheel.cancel(this.#silence);
		if (this.#connection.dialect?.retriesOnOpenConnection === true) {
			wheel.schedule(this.#retry, settings.retry_interval);
		}
	}

	/** Bytes were appended while the peer takes none. */
	onBlocked(): void {
		if (this.#send.isScheduled) return;
		const { broker, outbox } = this.#connection;
		this.#inFlightBefore = outbox.inFlightBytes;
		broker.wheel.schedule(this.#send, broker.settings.send_timeout);
	}

	onDrain(): void {
		this.#connection.broker.wheel.cancel(this.#send);
	}

	limitHold(forMs: number): void {
		const { clock } = this.#connection.broker;
		if (this.#hold !== null) clock.clearTimer(this.#hold);
		this.#hold = clock.setTimer(() => this.#onHoldOver(), forMs);
	}

	cancel(): void {
		const { wheel, clock } = this.#connection.broker;
		if (this.#hold !== null) clock.clearTimer(this.#hold);
		this.#hold = null;
		wheel.cancel(this.#silence);
		wheel.cancel(this.#send);
		wheel.cancel(this.#retry);
		this.whenDelayOver = null;
	}

	onTimer(timer: WheelTimer): void {
		if (timer === this.#silence) this.#onSilence();
		else if (timer === this.#send) this.#onSendTimeout();
		else this.#onRetry();
	}

	#onSilence(): void {
		const connection = this.#connection;
		const { clock, wheel, settings, statistics } = connection.broker;
		if (connection.state !== ConnectionState.Open) {
			const isOurs = connection.isHeld && connection.exchange === null;
			if (isOurs && connection.state === ConnectionState.Connecting) {
				wheel.schedule(this.#silence, settings.connect_timeout);
				return;
			}
			logRefused(connection, "no complete CONNECT in time", "connect_timeout");
			connection.closeAfter(null);
			return;
		}
		const silentMs = clock.monotonicMs() - this.#lastReceivedMs;
		if (connection.isHeld || silentMs < this.keepAliveMs) {
			const waited = connection.isHeld ? 0 : silentMs;
			wheel.schedule(this.#silence, this.keepAliveMs - waited);
			return;
		}
		statistics.keepAliveTimeouts++;
		connection.terminate(
			ReasonCode.KeepAliveTimeout,
			`nothing received for ${Math.round(silentMs / 1000)} s`,
		);
	}

	#onSendTimeout(): void {
		const connection = this.#connection;
		const { outbox, broker } = connection;
		if (!outbox.isBlocked) return;
		if (outbox.inFlightBytes < this.#inFlightBefore) {
			this.onBlocked();
			return;
		}
		broker.statistics.sendTimeouts++;
		const seconds = broker.settings.send_timeout / 1000;
		logClosed(connection, `took nothing for ${seconds} s (send_timeout)`);
		connection.stream.destroy();
		connection.closeAfter(null);
	}

	#onHoldOver(): void {
		this.#hold = null;
		const connection = this.#connection;
		connection.unhold(Hold.SlowSubscriber);
		connection.unhold(Hold.MessageRate);
		connection.unhold(Hold.StoreBusy);
		connection.unhold(Hold.Memory);
		const resume = this.whenDelayOver;
		this.whenDelayOver = null;
		if (resume !== null) connection.guard(resume);
	}

	#onRetry(): void {
		const { state, session, broker } = this.#connection;
		if (state !== ConnectionState.Open) return;
		session?.outbound?.retry();
		broker.wheel.schedule(this.#retry, broker.settings.retry_interval);
	}
}
