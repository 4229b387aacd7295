/**
 * One network connection from accept to close: cuts the stream into packets, hands
 * each to its handler, keeps time, and is the only place where a peer's fault is
 * caught. Owns its outbox, its aliases and its acknowledgements; borrows the session.
 *
 * Everything runs inside one event of its socket, on the main thread.
 */
import type { Broker, OpenConnection } from "../broker/broker.ts";
import { CONNECTION_BYTES } from "../broker/budgets.ts";
import type { AuthExchange, ClientInfo } from "../broker/hooks.ts";
import type { Dialect } from "../protocol/dialect.ts";
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
import { logClosed, logFailure, logProtocolError } from "./connection-log.ts";
import {
	ConnectionState,
	type Granted,
	Hold,
	nothingGranted,
} from "./connection-state.ts";
import { ConnectionTimers } from "./connection-timers.ts";
import { refuseOverdue } from "./disk-trouble.ts";
import { dispatch } from "./dispatch.ts";
import { checkFirstByte, checkUnauthenticated, peerOf } from "./first-bytes.ts";
import { sayGoodbye } from "./goodbye.ts";
import type { ListenerPolicy } from "./listener-policy.ts";
import type { MessageRate } from "./message-rate.ts";
import { ReadGate } from "./read-gate.ts";
import { refuseMalformedConnect } from "./refuse-connect.ts";
import type { InboundAliases } from "./topic-aliases.ts";
import { writeAnswer } from "./write-answer.ts";

/** Unanswered packets of one client at which it is not read any further. */
const MAX_PENDING_ACKS = 1000;
const READ_BYTES = 64 * 1024;

export class Connection
	implements
		StreamHandler,
		FrameSink,
		AckSink,
		OpenConnection,
		OutletOwner,
		PausedPublisher
{
	readonly broker: Broker;
	readonly stream: ByteStream;
	readonly policy: ListenerPolicy;
	readonly splitter: FrameSplitter;
	readonly outbox: Outbox;
	readonly acks: AckRing;
	readonly timers: ConnectionTimers;
	readonly topicMemory = new TopicMemory();
	/** `192.168.1.7:50312` */
	readonly peer: string;
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
	rate: MessageRate | null = null;
	/** What CONNACK said; a reload changes it for new connections only. */
	granted: Granted = nothingGranted;
	readonly #onStreamClosed: () => void;
	readonly #gate: ReadGate;

	/** @param onStreamClosed runs once, when the stream is closed for good */
	constructor(
		broker: Broker,
		stream: ByteStream,
		policy: ListenerPolicy,
		onStreamClosed: () => void = () => {},
	) {
		const { settings } = broker;
		this.broker = broker;
		this.stream = stream;
		this.policy = policy;
		this.#gate = new ReadGate(stream);
		this.peer = peerOf(stream);
		this.#onStreamClosed = onStreamClosed;
		this.splitter = new FrameSplitter(
			settings.max_connect_size,
			broker.budgets.unauthenticated,
		);
		this.splitter.maxHeldBytes = settings.max_connect_size;
		this.outbox = new Outbox(
			stream,
			broker.flushLoop,
			broker.budgets.outboxes,
			settings.outbox_high_water,
			this,
		);
		this.acks = new AckRing(this);
		this.timers = new ConnectionTimers(this);
		broker.connections.add(this);
		broker.statistics.connectionsAccepted++;
		broker.budgets.connections.charge(CONNECTION_BYTES);
		stream.limitGathering(settings.max_connect_size);
		stream.setHandler(this);
	}

	get isUnauthenticated(): boolean {
		return this.state < ConnectionState.Open;
	}

	get partialBytes(): number {
		return this.splitter.bufferedBytes;
	}

	spill(): void {
		this.session?.outbound?.spill();
	}

	takeUpPostponed(): void {
		this.unhold(Hold.Disk);
	}

	refuseOverdue(beforeMs: number): void {
		this.guard(() => refuseOverdue(this, beforeMs));
	}

	get listener(): string {
		return this.policy.name;
	}

	/** We are not reading this client at the moment. */
	get isHeld(): boolean {
		return !this.#gate.isOpen;
	}

	onData(chunk: Buffer): void {
		if (this.state === ConnectionState.Closed) return;
		this.timers.onReceived();
		this.broker.statistics.bytesReceived += chunk.length;
		this.#gate.beginChunk();
		try {
			if (this.state === ConnectionState.AwaitConnect)
				checkFirstByte(this, chunk);
			this.splitter.push(chunk, this);
			if (this.state < ConnectionState.Open) checkUnauthenticated(this);
		} catch (error) {
			this.fail(error);
		}
		this.#gate.endChunk();
	}

	onFrame(
		buffer: Buffer,
		start: number,
		bodyStart: number,
		end: number,
	): boolean {
		this.broker.statistics.packetsReceived++;
		dispatch(this, buffer, start, bodyStart, end);
		return this.#gate.isOpen;
	}

	onDrain(): void {
		this.timers.onDrain();
		this.outbox.onDrain();
		this.outbox.flush(); // what waited behind it; if that is refused, its own drain follows
		if (this.outlet === null || this.session === null) return;
		this.outlet.onDrain();
		if (!this.outbox.isCongested) this.session.outbound?.pump();
	}

	onClose(error: Error | null): void {
		this.#onStreamClosed();
		if (this.state === ConnectionState.Closed) return;
		logClosed(this, error === null ? "closed by the client" : error.message);
		this.#release();
	}

	get nowMs(): number {
		return this.broker.degraded.lookedAtMs;
	}

	writeAck(ack: PendingAck): void {
		writeAnswer(this, ack);
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

	/** The system refuses our bytes: from now on the clock runs. */
	onBlocked(): void {
		this.timers.onBlocked();
		this.outlet?.noteCongestion();
	}

	/** Stops reading, for `forMs` at most; what has been read already is kept, bounded. */
	hold(reason: Hold, forMs = Number.POSITIVE_INFINITY): void {
		if (this.state === ConnectionState.Closed) return;
		this.#gate.hold(reason);
		if (forMs !== Number.POSITIVE_INFINITY) this.timers.limitHold(forMs);
	}

	unhold(reason: Hold): void {
		if (!this.#gate.has(reason)) return;
		this.#gate.unhold(reason);
		if (this.state === ConnectionState.Closed) return;
		if (!this.#gate.isOpen) {
			this.#gate.steer();
			return;
		}
		this.timers.onReceived();
		try {
			this.splitter.resume(this);
		} catch (error) {
			this.fail(error);
			return;
		}
		this.#gate.steer();
	}

	/** The client is in: full packet size, keep alive, everything allowed. */
	onOpened(): void {
		const { settings, budgets } = this.broker;
		this.state = ConnectionState.Open;
		this.splitter.useLimits(settings.max_packet_size, budgets.partialFrames);
		// A WebSocket message may hold many packets; while we hold, its rest waits here.
		this.splitter.maxHeldBytes = 2 * settings.max_packet_size + READ_BYTES;
		this.stream.limitGathering(Number.POSITIVE_INFINITY);
		this.timers.onOpened();
	}

	/** Closes after telling the client why, where its protocol can [MQTT-4.13.1-1] [MQTT-4.13.2-1]. */
	terminate(reason: ReasonCode, words: string): void {
		if (this.state === ConnectionState.Closed) return;
		logClosed(this, `${describeReason(reason)}: ${words}`);
		sayGoodbye(this, reason, words);
		this.#release();
	}

	/** Closes after a last packet of the caller's, who has logged why. */
	closeAfter(frame: Buffer | null): void {
		if (this.state === ConnectionState.Closed) return;
		if (frame !== null) this.outbox.append(frame);
		this.#release();
	}

	/** Runs the later part of a handler with the same care as the handler itself. */
	guard(action: () => void): void {
		if (this.state === ConnectionState.Closed) return;
		try {
			action();
		} catch (error) {
			this.fail(error);
		}
	}

	/** The peer's fault ends here, and so does ours, as far as it concerns one client. */
	fail(error: unknown): void {
		if (this.state === ConnectionState.Closed) return;
		if (!(error instanceof ProtocolError)) {
			logFailure(this, error); // [v3.1.1 MQTT-4.8.0-2]
			this.terminate(ReasonCode.UnspecifiedError, "internal error");
			return;
		}
		this.broker.statistics.protocolErrors++;
		logProtocolError(this, error);
		if (this.state === ConnectionState.AwaitConnect) {
			refuseMalformedConnect(this, error);
			return;
		}
		sayGoodbye(this, error.reasonCode, error.message);
		this.#release();
	}

	/** Lets go of everything and closes once what was written has left. */
	#release(): void {
		const { broker, session, outlet } = this;
		this.state = ConnectionState.Closed;
		this.#gate.clear();
		this.timers.cancel();
		this.splitter.reset();
		this.acks.close();
		this.exchange = null;
		broker.connections.delete(this);
		this.inboundAliases?.clear();
		broker.budgets.connections.release(CONNECTION_BYTES);
		this.outbox.flush();
		this.stream.end(); // [MQTT-3.14.4-1] [MQTT-3.14.4-2]
		this.outbox.close();
		if (session !== null && outlet !== null) {
			this.session = null;
			broker.registry.close(session, outlet, !this.discardsWill);
			outlet.releasePublishers();
		}
	}
}
