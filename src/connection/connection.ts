/**
 * One network connection from accept to close: cuts the stream into packets, hands
 * each to its handler, keeps time, and is the only place where a peer's fault is
 * caught. Owns its outbox, its aliases and its acknowledgements; borrows the session.
 *
 * Everything runs inside one event of its socket, on the main thread.
 */
import type { Broker, OpenConnection } from "../broker/broker.ts";
import type { AuthExchange, ClientInfo } from "../broker/hooks.ts";
import { type TimerTarget, WheelTimer } from "../platform/timer-wheel.ts";
import { encodeAcknowledgement } from "../protocol/acks.ts";
import type { AcknowledgementType } from "../protocol/acks.ts";
import type { Dialect } from "../protocol/dialect.ts";
import { encodeDisconnect } from "../protocol/packets.ts";
import { type FrameSink, FrameSplitter } from "../protocol/frame-splitter.ts";
import type { Connect } from "../protocol/messages.ts";
import { ProtocolError } from "../protocol/protocol-error.ts";
import { TopicMemory } from "../protocol/publish.ts";
import { describeReason, ReasonCode } from "../protocol/reason-codes.ts";
import type { Session } from "../session/session.ts";
import type { ByteStream, StreamHandler } from "../transport/byte-stream.ts";
import { Outbox } from "../transport/outbox.ts";
import { AckRing, type AckSink, type PendingAck } from "./ack-ring.ts";
import type {
	ClientOutlet,
	OutletOwner,
	PausedPublisher,
} from "./client-outlet.ts";
import { dispatch } from "./dispatch.ts";
import { refuseMalformedConnect } from "./handle-connect.ts";
import type { ListenerPolicy } from "./listener-policy.ts";
import type { MessageRate } from "./message-rate.ts";
import type { InboundAliases } from "./topic-aliases.ts";

export const ConnectionState = {
	/** Nothing but CONNECT is accepted. */
	AwaitConnect: 0,
	/** CONNECT is being authenticated, delayed or stored; CONNACK has not been sent. */
	Connecting: 1,
	Open: 2,
	Closed: 3,
} as const;
export type ConnectionState =
	(typeof ConnectionState)[keyof typeof ConnectionState];

/** Why reading is held up; a set of bits. */
export const Hold = {
	Connecting: 1,
	SlowSubscriber: 2,
	MessageRate: 4,
	PendingAcks: 8,
} as const;
export type Hold = (typeof Hold)[keyof typeof Hold];

/** Unanswered packets of one client at which it is not read any further. */
const MAX_PENDING_ACKS = 1000;

export class Connection
	implements
		StreamHandler,
		FrameSink,
		AckSink,
		OpenConnection,
		OutletOwner,
		PausedPublisher,
		TimerTarget
{
	readonly broker: Broker;
	readonly stream: ByteStream;
	readonly policy: ListenerPolicy;
	readonly outbox: Outbox;
	readonly acks: AckRing;
	readonly topicMemory = new TopicMemory();
	/** `192.168.1.7:50312` */
	readonly peer: string;
	readonly splitter: FrameSplitter;
	state: ConnectionState = ConnectionState.AwaitConnect;
	/** Known once CONNECT was decoded. */
	dialect: Dialect | null = null;
	connect: Connect | null = null;
	connectOrder = 0;
	client: ClientInfo | null = null;
	session: Session | null = null;
	outlet: ClientOutlet | null = null;
	inboundAliases: InboundAliases | null = null;
	/** An AUTH exchange that is going on. */
	exchange: AuthExchange | null = null;
	/** The last data of a successful exchange, for CONNACK. */
	authenticationData: Buffer | null = null;
	/** The client said goodbye in a way that discards its will. */
	discardsWill = false;
	/** ms between two packets after which the client is gone; 0 for never. */
	keepAliveMs = 0;
	rate: MessageRate | null = null;
	readonly #timer = new WheelTimer(this);
	readonly #sendTimer = new WheelTimer(this);
	readonly #holdTimer = new WheelTimer(this);
	readonly #retryTimer = new WheelTimer(this);
	readonly #onStreamClosed: () => void;
	#holds = 0;
	#lastReceivedMs: number;
	#pendingBytesBefore = 0;

	/** @param onStreamClosed runs once, when the stream is closed for good */
	constructor(
		broker: Broker,
		stream: ByteStream,
		policy: ListenerPolicy,
		onStreamClosed: () => void = () => {},
	) {
		this.#onStreamClosed = onStreamClosed;
		const { settings } = broker;
		this.broker = broker;
		this.stream = stream;
		this.policy = policy;
		const { remoteAddress, remotePort, listener } = stream.info;
		const host = remoteAddress.includes(":")
			? `[${remoteAddress}]`
			: remoteAddress;
		this.peer = remoteAddress === "" ? listener : `${host}:${remotePort}`;
		this.splitter = new FrameSplitter(
			settings.max_connect_size,
			broker.unauthenticated,
		);
		this.splitter.maxHeldBytes = settings.max_connect_size;
		this.outbox = new Outbox(
			stream,
			broker.flushLoop,
			broker.outboxes,
			settings.outbox_high_water,
		);
		this.acks = new AckRing(this);
		this.#lastReceivedMs = broker.clock.monotonicMs();
		broker.connections.add(this);
		broker.statistics.connectionsAccepted++;
		stream.setHandler(this);
		broker.wheel.schedule(this.#timer, settings.connect_timeout);
	}

	onData(chunk: Buffer): void {
		if (this.state === ConnectionState.Closed) return;
		this.#lastReceivedMs = this.broker.clock.monotonicMs();
		this.broker.statistics.bytesReceived += chunk.length;
		try {
			this.splitter.push(chunk, this);
			if (this.state < ConnectionState.Open) this.#checkUnauthenticated();
		} catch (error) {
			this.#onError(error);
		}
	}

	onFrame(
		buffer: Buffer,
		start: number,
		bodyStart: number,
		end: number,
	): boolean {
		this.broker.statistics.packetsReceived++;
		dispatch(this, buffer, start, bodyStart, end);
		return this.#holds === 0;
	}

	onDrain(): void {
		this.outbox.onDrain();
		this.broker.wheel.cancel(this.#sendTimer);
		if (this.outlet === null || this.session === null) return;
		this.outlet.onDrain();
		if (!this.outbox.isCongested) this.session.outbound?.pump();
	}

	onClose(error: Error | null): void {
		this.#onStreamClosed();
		if (this.state === ConnectionState.Closed) return;
		this.#logClosed(error === null ? "closed by the client" : error.message);
		this.#release();
	}

	writeAck(ack: PendingAck): void {
		const { frame, type, reasonCode } = ack;
		if (frame !== null) {
			this.outbox.append(frame);
		} else if (reasonCode === 0 || this.dialect?.hasReasonCodes !== true) {
			this.outbox.appendAck(type << 4, ack.packetId); // [MQTT-2.2.1-5]
		} else {
			this.outbox.append(
				encodeAcknowledgement(
					type as AcknowledgementType,
					ack.packetId,
					reasonCode,
					5,
				),
			);
		}
	}

	onAcksEmpty(): void {
		this.unhold(Hold.PendingAcks);
	}

	/** Stops reading a client that has this many answers to come. */
	limitPendingAcks(): void {
		if (this.acks.length >= MAX_PENDING_ACKS) this.hold(Hold.PendingAcks);
	}

	onSubscriberReady(): void {
		this.unhold(Hold.SlowSubscriber);
	}

	/** Bytes were appended while the peer takes none: from now on the clock runs. */
	onBlocked(): void {
		if (this.#sendTimer.isScheduled) return;
		const { send_timeout } = this.broker.settings;
		this.#pendingBytesBefore = this.outbox.pendingBytes;
		this.broker.wheel.schedule(this.#sendTimer, send_timeout);
	}

	/** Stops reading, for `forMs` at most; what has been read already is kept, bounded. */
	hold(reason: Hold, forMs = Number.POSITIVE_INFINITY): void {
		if (this.#holds === 0) this.stream.pause();
		this.#holds |= reason;
		if (forMs !== Number.POSITIVE_INFINITY) {
			this.broker.wheel.schedule(this.#holdTimer, forMs);
		}
	}

	unhold(reason: Hold): void {
		if ((this.#holds & reason) === 0) return;
		this.#holds &= ~reason;
		if (this.#holds !== 0 || this.state === ConnectionState.Closed) return;
		this.#lastReceivedMs = this.broker.clock.monotonicMs(); // our pause is not the client's silence
		try {
			this.splitter.resume(this);
		} catch (error) {
			this.#onError(error);
			return;
		}
		if (this.#holds === 0) this.stream.resume();
	}

	/** The client is in: full packet size, keep alive, everything allowed. */
	onOpened(): void {
		const { settings, wheel, partialFrames } = this.broker;
		this.state = ConnectionState.Open;
		this.splitter.useLimits(settings.max_packet_size, partialFrames);
		if (this.keepAliveMs > 0) wheel.schedule(this.#timer, this.keepAliveMs);
		else wheel.cancel(this.#timer);
		if (this.dialect?.retriesOnOpenConnection === true) {
			wheel.schedule(this.#retryTimer, settings.retry_interval);
		}
	}

	/** Closes after telling the client why, where its protocol can [MQTT-4.13.1-1]. */
	terminate(reason: ReasonCode, words: string): void {
		if (this.state === ConnectionState.Closed) return;
		if (this.state === ConnectionState.Open && this.dialect?.sendsDisconnect) {
			this.outbox.append(this.#disconnectFrame(reason, words)); // [MQTT-3.14.0-1]
		}
		this.#logClosed(`${describeReason(reason)}: ${words}`);
		this.#release();
	}

	/** Closes with a last packet instead of a DISCONNECT; the caller has logged why. */
	closeAfter(frame: Buffer | null): void {
		if (this.state === ConnectionState.Closed) return;
		if (frame !== null) this.outbox.append(frame);
		this.#release();
	}

	onTimer(timer: WheelTimer): void {
		if (timer === this.#timer) this.#onSilence();
		else if (timer === this.#sendTimer) this.#onSendTimeout();
		else if (timer === this.#holdTimer) this.#onHoldOver();
		else this.#onRetry();
	}

	/** Runs a handler's later part with the same care as the handler itself. */
	guard(action: () => void): void {
		if (this.state === ConnectionState.Closed) return;
		try {
			action();
		} catch (error) {
			this.#onError(error);
		}
	}

	fail(error: unknown): void {
		this.#onError(error);
	}

	#onSilence(): void {
		const { clock, wheel, settings, statistics } = this.broker;
		if (this.state !== ConnectionState.Open) {
			if (this.#holds !== 0 && this.state === ConnectionState.Connecting) {
				wheel.schedule(this.#timer, settings.connect_timeout);
				return;
			}
			this.#logRefused("no CONNECT within connect_timeout", "connect_timeout");
			this.#release();
			return;
		}
		const silentMs = clock.monotonicMs() - this.#lastReceivedMs;
		if (this.#holds !== 0 || silentMs < this.keepAliveMs) {
			const rest = this.#holds !== 0 ? this.keepAliveMs : this.keepAliveMs - silentMs;
			wheel.schedule(this.#timer, rest);
			return;
		}
		statistics.keepAliveTimeouts++;
		this.terminate(
			ReasonCode.KeepAliveTimeout,
			`nothing received for ${Math.round(silentMs / 1000)} s`,
		); // [MQTT-3.1.2-22]
	}

	#onSendTimeout(): void {
		if (!this.outbox.isBlocked) return;
		const { pendingBytes } = this.outbox;
		if (pendingBytes < this.#pendingBytesBefore) {
			this.onBlocked();
			return;
		}
		const { statistics, settings } = this.broker;
		statistics.sendTimeouts++;
		this.#logClosed(
			`took nothing for ${settings.send_timeout / 1000} s (send_timeout)`,
		);
		this.stream.destroy();
		this.#release();
	}

	#onHoldOver(): void {
		this.unhold(Hold.SlowSubscriber);
		this.unhold(Hold.MessageRate);
		if ((this.#holds & Hold.Connecting) !== 0) this.guard(() => this.onDelayOver?.());
	}

	/** What goes on when a delayed take-over may proceed. */
	onDelayOver: (() => void) | null = null;

	#onRetry(): void {
		if (this.state !== ConnectionState.Open) return;
		this.session?.outbound?.retry();
		const { wheel, settings } = this.broker;
		wheel.schedule(this.#retryTimer, settings.retry_interval);
	}

	#checkUnauthenticated(): void {
		const { unauthenticated } = this.broker;
		if (unauthenticated.used <= unauthenticated.limit) return;
		if (this.splitter.bufferedBytes === 0) return;
		this.#logRefused(
			"too much received from clients that are not authenticated",
			"unauthenticated_bytes",
		);
		this.#release();
	}

	#onError(error: unknown): void {
		if (this.state === ConnectionState.Closed) return;
		if (!(error instanceof ProtocolError)) {
			this.broker.log.system.error("closing a connection after a failure of ours", {
				client: this.client?.clientId ?? "",
				address: this.peer,
				error: error instanceof Error ? (error.stack ?? error.message) : String(error),
			});
			this.terminate(ReasonCode.UnspecifiedError, "internal error");
			return;
		}
		this.broker.statistics.protocolErrors++;
		this.#logProtocolError(error);
		if (this.state === ConnectionState.AwaitConnect) {
			refuseMalformedConnect(this, error);
			return;
		}
		if (this.state === ConnectionState.Open && this.dialect?.sendsDisconnect) {
			this.outbox.append(this.#disconnectFrame(error.reasonCode, error.message));
		}
		this.#release();
	}

	#disconnectFrame(reason: ReasonCode, words: string): Buffer {
		const { connect } = this;
		const frame = encodeDisconnect(reason, words);
		// [MQTT-3.14.2-3]
		if (connect !== null && frame.length > connect.maximumPacketSize) {
			return encodeDisconnect(reason);
		}
		return frame;
	}

	/** Lets go of everything and closes once what was written has left. */
	#release(): void {
		const { broker, session, outlet } = this;
		this.state = ConnectionState.Closed;
		for (const timer of [
			this.#timer,
			this.#sendTimer,
			this.#holdTimer,
			this.#retryTimer,
		]) {
			broker.wheel.cancel(timer);
		}
		this.splitter.reset();
		this.acks.close();
		this.exchange = null;
		broker.connections.delete(this);
		this.outbox.flush();
		this.outbox.close();
		this.stream.end(); // [MQTT-3.14.4-1] [MQTT-3.14.4-2]
		if (session !== null && outlet !== null) {
			this.session = null;
			broker.registry.close(session, outlet, !this.discardsWill);
			outlet.releasePublishers();
		}
	}

	#logClosed(reason: string): void {
		const { client } = this;
		if (client === null || this.session === null) {
			this.broker.log.access.debug("connection closed", {
				address: this.peer,
				reason,
			});
			return;
		}
		this.broker.log.access.info("client disconnected", {
			client: client.clientId,
			address: this.peer,
			reason,
		});
	}

	#logRefused(reason: string, key: string): void {
		const { statistics, logLimit, log } = this.broker;
		statistics.connectionsRefused++;
		const suppressed = logLimit.check(`refused ${reason}`);
		if (suppressed < 0) return;
		log.access.warning("connection closed", {
			address: this.peer,
			listener: this.policy.name,
			reason,
			key,
			suppressed,
		});
	}

	#logProtocolError(error: ProtocolError): void {
		const { logLimit, log } = this.broker;
		const suppressed = logLimit.check(
			`protocol ${this.client?.clientId ?? this.stream.info.remoteAddress}`,
		);
		if (suppressed < 0) return;
		log.protocol.warning("client broke the protocol", {
			client: this.client?.clientId ?? "",
			address: this.peer,
			reason: describeReason(error.reasonCode),
			error: error.message,
			suppressed,
		});
	}
}
