/**
 * The sending side of one connection: what its session delivers becomes packets in
 * the outbox, within what the client said it can take.
 */
import type { Broker } from "../broker/broker.ts";
import { Stage } from "../broker/overload.ts";
import type { QoS } from "../protocol/constants.ts";
import type { Dialect } from "../protocol/dialect.ts";
import type { Layout } from "../protocol/layout.ts";
import type { Connect } from "../protocol/messages.ts";
import { ProtocolError } from "../protocol/protocol-error.ts";
import { encodePublish, publishFirstByte } from "../protocol/publish.ts";
import type { ReasonCode } from "../protocol/reason-codes.ts";
import type { Delivery } from "../session/delivery.ts";
import type { InflightEntry } from "../session/inflight.ts";
import { type Outlet, SendResult } from "../session/outlet.ts";
import type { Outbox } from "../transport/outbox.ts";
import { OutboundAliases } from "./topic-aliases.ts";

const PUBREL_FIRST_BYTE = 0x62;

/** What the outlet needs of its connection. */
export interface OutletOwner {
	readonly peer: string;
	readonly connectOrder: number;
	terminate(reason: ReasonCode, words: string): void;
}

/** A publisher that pauses until a slow subscriber has caught up. */
export interface PausedPublisher {
	onSubscriberReady(): void;
}

export class ClientOutlet implements Outlet {
	readonly receiveMaximum: number;
	/** CONNACK has been sent; nothing may leave before it [MQTT-3.2.0-1]. */
	isOpen = false;
	readonly #owner: OutletOwner;
	readonly #broker: Broker;
	readonly #outbox: Outbox;
	readonly #dialect: Dialect;
	/** Bytes of a whole packet that the client takes. */
	readonly #maximumPacketSize: number;
	readonly #aliases: OutboundAliases | null;
	/** Monotonic ms since which the outbox is above its high-water mark; -1 when it is not. */
	#congestedSinceMs = -1;
	/** Monotonic ms since which its session's queue fills; -1 when it does not. */
	#pressedSinceMs = -1;
	#pausedPublishers: PausedPublisher[] = [];

	constructor(
		owner: OutletOwner,
		broker: Broker,
		outbox: Outbox,
		dialect: Dialect,
		connect: Connect,
	) {
		this.#owner = owner;
		this.#broker = broker;
		this.#outbox = outbox;
		this.#dialect = dialect;
		this.receiveMaximum = connect.receiveMaximum;
		this.#maximumPacketSize = connect.maximumPacketSize;
		const aliases = Math.min(
			connect.topicAliasMaximum,
			broker.settings.topic_alias_max_broker,
		);
		this.#aliases = aliases > 0 ? new OutboundAliases(aliases) : null; // [MQTT-3.1.2-27]
	}

	get peer(): string {
		return this.#owner.peer;
	}

	get connectOrder(): number {
		return this.#owner.connectOrder;
	}

	get isCongested(): boolean {
		if (!this.isOpen || this.#outbox.isCongested) return true;
		return this.#outbox.isBlocked && this.#isMemoryShort;
	}

	get dropsQoS0(): boolean {
		if (!this.isOpen) return true;
		if (this.#isMemoryShort && this.#outbox.isBlocked) return true;
		if (this.#congestedSinceMs < 0) return false;
		if (this.#outbox.pendingBytes > 2 * this.#outbox.highWaterBytes)
			return true;
		return !this.#isRecent(this.#congestedSinceMs);
	}

	get #isMemoryShort(): boolean {
		return this.#broker.overload.stage >= Stage.Refuse;
	}

	/** A slow subscriber pauses its publishers for a moment only, then it loses QoS 0. */
	get isPausing(): boolean {
		return (
			this.#isRecent(this.#congestedSinceMs) ||
			this.#isRecent(this.#pressedSinceMs)
		);
	}

	#isRecent(sinceMs: number): boolean {
		if (sinceMs < 0) return false;
		const elapsed = this.#broker.clock.monotonicMs() - sinceMs;
		return elapsed < this.#broker.settings.slow_subscriber_pause;
	}

	noteQueuePressure(): void {
		if (this.#pressedSinceMs >= 0) return;
		this.#pressedSinceMs = this.#broker.clock.monotonicMs();
	}

	relieveQueuePressure(): void {
		this.#pressedSinceMs = -1;
		this.releasePublishers();
	}

	/** Tells `publisher` once when this peer has caught up. */
	pausePublisher(publisher: PausedPublisher): void {
		this.#pausedPublishers.push(publisher);
	}

	/** The connection calls this when the system has taken everything. */
	onDrain(): void {
		if (this.#outbox.isCongested) return;
		this.#congestedSinceMs = -1;
		this.releasePublishers();
	}

	releasePublishers(): void {
		const paused = this.#pausedPublishers;
		this.#pausedPublishers = [];
		for (const publisher of paused) publisher.onSubscriberReady();
	}

	sendPublish(
		delivery: Delivery,
		qos: QoS,
		retain: boolean,
		packetId: number,
		identifiers: readonly number[],
	): SendResult {
		if (this.#aliases !== null || identifiers.length > 0) {
			return this.#sendOneShot(delivery, qos, retain, packetId, identifiers);
		}
		const layout = this.#layoutOf(delivery, qos);
		if (layout === null) return SendResult.TooLarge;
		const { frame, start, end } = layout;
		if (end - start > this.#maximumPacketSize) return SendResult.TooLarge; // [MQTT-3.1.2-24]
		this.#outbox.appendPublish(
			frame,
			start,
			end,
			publishFirstByte(qos, retain, false), // [MQTT-3.3.1-3] [MQTT-4.3.1-1] [MQTT-4.3.2-2] [MQTT-4.3.3-2]
			layout.packetIdOffset,
			packetId,
		);
		this.noteCongestion();
		return SendResult.Sent;
	}

	sendEntry(
		entry: InflightEntry,
		duplicate: boolean,
		expirySeconds: number,
	): SendResult {
		return this.#sendFrame(
			encodePublish(entry.message, {
				family: this.#dialect.family,
				qos: entry.qos,
				retain: entry.retain,
				dup: duplicate && entry.qos > 0, // [MQTT-3.3.1-1] [MQTT-3.3.1-2]
				packetId: entry.packetId,
				identifiers: entry.identifiers,
				expirySeconds,
				topicAlias: 0,
				omitTopic: false,
			}),
		);
	}

	sendPubrel(packetId: number): void {
		this.#outbox.appendAck(PUBREL_FIRST_BYTE, packetId);
		this.noteCongestion();
	}

	terminate(reason: ReasonCode, words: string): void {
		this.#owner.terminate(reason, words);
	}

	/** Null when the message does not fit into a packet of this version at all. */
	#layoutOf(delivery: Delivery, qos: QoS): Layout | null {
		try {
			return delivery.layout(this.#dialect.family, qos > 0);
		} catch (error) {
			if (error instanceof ProtocolError) return null;
			throw error;
		}
	}

	/** Subscription identifiers or an alias: nobody else shares these bytes. */
	#sendOneShot(
		delivery: Delivery,
		qos: QoS,
		retain: boolean,
		packetId: number,
		identifiers: readonly number[],
	): SendResult {
		const message = delivery.stored();
		const aliases = this.#aliases;
		const topicAlias = aliases === null ? 0 : aliases.aliasFor(message.topic);
		const result = this.#sendFrame(
			encodePublish(message, {
				family: this.#dialect.family,
				qos,
				retain,
				dup: false,
				packetId,
				identifiers,
				expirySeconds: message.expirySeconds,
				topicAlias,
				omitTopic: topicAlias > 0 && aliases?.isKnown === true,
			}),
		);
		if (result === SendResult.TooLarge && topicAlias > 0) {
			aliases?.forget(message.topic);
		}
		return result;
	}

	#sendFrame(frame: Buffer): SendResult {
		if (frame.length > this.#maximumPacketSize) return SendResult.TooLarge; // [MQTT-3.1.2-24]
		this.#outbox.append(frame);
		this.noteCongestion();
		return SendResult.Sent;
	}

	/** The moment at which a slow peer became too slow, for the pause of its publishers. */
	noteCongestion(): void {
		if (this.#congestedSinceMs < 0 && this.#outbox.isCongested) {
			this.#congestedSinceMs = this.#broker.clock.monotonicMs();
		}
	}
}
