/**
 * State kept for one client id across connections. Its owner is the session registry;
 * a connection borrows it between attach and detach.
 *
 * While no client is connected a persistent session holds counters only: its messages
 * are in the store. While one is connected, {@link Outbound} does the sending.
 */
import type { QoS } from "../protocol/constants.ts";
import type { WillMessage } from "../protocol/messages.ts";
import type { SavedLane } from "../store/lane.ts";
import type { StoredMessage } from "../store/stored-message.ts";
import type { Delivery } from "./delivery.ts";
import { InflightEntry } from "./inflight.ts";
import { Outbound } from "./outbound.ts";
import { type Outlet, SendResult } from "./outlet.ts";
import {
	isFilling,
	Room,
	reportSlowReader,
	roomInQueue,
} from "./queue-limits.ts";
import { countedBytes, parkEntry, storeEntry } from "./queue-rows.ts";
import type { RetainedReplay } from "./retained-replay.ts";
import type { SessionContext } from "./session-context.ts";
import { RECEIVED_ID_BYTES, sessionBytes, willBytes } from "./session-cost.ts";
import type { SessionDeadline } from "./session-deadline.ts";
import type { Subscription } from "./subscription.ts";
import { SubscriptionSet } from "./subscription-set.ts";

export class Session {
	readonly context: SessionContext;
	readonly clientId: string;
	/** Its rows in the store carry this number; 0 for a clean session, which has none. */
	readonly key: number;
	username: string | null;
	/** Seconds it outlives its connection; 0 ends with it, 0xffffffff never ends. */
	expirySeconds: number;
	/** Its state is in the store. Set when the session is made, for good. */
	readonly isPersistent: boolean;
	readonly subscriptions = new SubscriptionSet();
	/** QoS 2 messages received and not yet released: their packet ids; null for none [MQTT-4.3.3-10]. */
	receivedIds: Set<number> | null = null;
	outbound: Outbound | null = null;
	/** Wall time in ms at which the connection ended; 0 while connected. */
	disconnectedAtMs = 0;
	lastSequence = 0;
	/** Messages owed to the client with QoS > 0, in flight or waiting. */
	queuedMessages = 0;
	queuedBytes = 0;
	lanes: readonly SavedLane[] | null = null; // further queues, as found at start
	/** Retained messages that were being sent when the connection was lost; they go on with the next. */
	unfinishedReplays: Map<string, RetainedReplay> | null = null;
	/** Rises when a client connects and when the session ends: whoever works on it meanwhile stops. */
	epoch = 0;
	isEnded = false;
	#will: WillMessage | null = null;
	/** Its oldest messages are being dropped. */
	isTrimming = false;
	/** These two belong to {@link SessionDeadlines}. */
	deadline: SessionDeadline | null = null;
	endsAtMs = Number.POSITIVE_INFINITY;

	constructor(
		context: SessionContext,
		clientId: string,
		key: number,
		username: string | null,
		expirySeconds: number,
	) {
		this.context = context;
		this.clientId = clientId;
		this.key = key;
		this.username = username;
		this.expirySeconds = expirySeconds;
		this.isPersistent = expirySeconds > 0;
		context.sessionBudget.charge(sessionBytes(this));
	}

	get will(): WillMessage | null {
		return this.#will;
	}

	set will(will: WillMessage | null) {
		const { willBudget } = this.context;
		if (this.#will !== null) willBudget.release(willBytes(this.#will));
		if (will !== null) willBudget.charge(willBytes(will));
		this.#will = will;
	}

	/** A client is connected and has its CONNACK. */
	get isReachable(): boolean {
		return this.outbound?.outlet.isOpen === true;
	}

	get outlet(): Outlet | null {
		return this.outbound === null ? null : this.outbound.outlet;
	}

	/** Takes a message that matched `subscription`, as a route has it. */
	deliver(delivery: Delivery, matched: Subscription): void {
		let subscription = matched;
		if (matched.noLocal && delivery.publisherId === this.clientId) {
			if (matched.localVariant === null) return; // [MQTT-3.8.3-3]
			subscription = matched.localVariant;
		}
		const { publish } = delivery;
		const qos = this.grantedQoS(publish.qos, subscription);
		const retain = subscription.retainAsPublished && publish.retain; // [MQTT-3.3.1-12] [MQTT-3.3.1-13] [v3.1.1 MQTT-3.3.1-9]
		if (qos === 0) {
			this.#deliverQoS0(delivery, subscription, retain);
		} else if (
			this.#enqueue(delivery.stored(), subscription, qos, retain, delivery)
		) {
			this.#skipReplays(delivery);
		}
	}

	/** Takes over a message that another member of a shared group can no longer deliver. */
	inherit(message: StoredMessage, subscription: Subscription): boolean {
		const qos = this.grantedQoS(message.qos, subscription);
		if (qos > 0) return this.#enqueue(message, subscription, qos, false, null);
		if (this.outbound === null || this.outbound.outlet.isCongested)
			return false;
		const { identifiers, filter } = subscription;
		const entry = new InflightEntry(message, 0, false, identifiers, filter, 0);
		const expirySeconds = this.remainingExpirySeconds(message);
		this.outbound.outlet.sendEntry(entry, false, expirySeconds);
		message.release();
		return true;
	}

	grantedQoS(published: QoS, subscription: Subscription): QoS {
		if (this.context.settings.upgrade_outgoing_qos) return subscription.qos;
		return published < subscription.qos ? published : subscription.qos; // [MQTT-3.8.4-8] [MQTT-4.8.2-3]
	}

	/** @returns false when the id was there before */
	addReceivedId(packetId: number): boolean {
		this.receivedIds ??= new Set();
		if (this.receivedIds.has(packetId)) return false;
		this.receivedIds.add(packetId);
		this.context.sessionBudget.charge(RECEIVED_ID_BYTES);
		return true;
	}

	/** @returns false when the id was not there */
	deleteReceivedId(packetId: number): boolean {
		if (this.receivedIds?.delete(packetId) !== true) return false;
		this.context.sessionBudget.release(RECEIVED_ID_BYTES);
		if (this.receivedIds.size === 0) this.receivedIds = null;
		return true;
	}

	nextSequence(): number {
		return ++this.lastSequence;
	}

	/** What is left of a message's life in whole seconds, at least 1; -1 when it has no end [MQTT-3.3.2-6]. */
	remainingExpirySeconds(message: StoredMessage): number {
		if (message.expirySeconds < 0) return -1;
		const left = message.expiresAtMs - this.context.clock.monotonicMs();
		return Math.max(1, Math.ceil(left / 1000));
	}

	/** Connects a client; resumed messages follow when {@link Outbound.pump} is called. */
	attach(outlet: Outlet): Outbound {
		this.disconnectedAtMs = 0;
		const replays = this.unfinishedReplays ?? new Map();
		this.outbound = new Outbound(this, outlet, replays);
		this.unfinishedReplays = null;
		this.epoch++;
		return this.outbound;
	}

	/**
	 * Lets go of the connection. What a persistent session had in flight is marked in
	 * the store with its packet id, so that it can be sent again under the same one.
	 * @returns what it held in memory; each still holds its share of the message
	 */
	detach(): readonly InflightEntry[] {
		const { outbound } = this;
		if (outbound === null) return [];
		this.outbound = null;
		this.disconnectedAtMs = this.context.clock.wallMs();
		if (outbound.replays.size > 0) this.unfinishedReplays = outbound.replays;
		for (const replay of outbound.replays.values()) replay.interrupt();
		const inflight = [...outbound.inflight.entries()];
		const waiting = outbound.queue.entries();
		outbound.inflight.clear();
		outbound.queue.clear();
		for (const entry of inflight) parkEntry(this, entry);
		return [...inflight, ...waiting];
	}

	/** The message is delivered, dropped or handed on: its row and its share go. */
	forget(entry: InflightEntry): void {
		if (entry.isStored) {
			this.context.store.dequeue(this.key, entry.sequence, null);
		}
		if (entry.countedBytes > 0 && !this.isEnded) {
			this.#count(-1, -entry.countedBytes);
		}
		entry.message.release();
	}

	/** The entry is owed to the client from now on. */
	countIn(entry: InflightEntry): void {
		entry.countedBytes = countedBytes(entry.message);
		this.#count(1, entry.countedBytes);
	}

	/** The session ends: its counts and what it was reading go. */
	discard(): void {
		this.unfinishedReplays = null;
		this.epoch++;
		this.isEnded = true;
		this.context.sessionBudget.release(sessionBytes(this));
		this.receivedIds = null;
		this.#count(-this.queuedMessages, -this.queuedBytes);
		this.context.counters.addLanes(this.lanes ?? [], -1);
	}

	/** What is needed of it is kept elsewhere: this object is done with. */
	leaveMemory(): void {
		this.epoch++;
		this.context.sessionBudget.release(sessionBytes(this));
	}

	/** Takes over the counts found in the store at start. */
	restoreCounts(messages: number, bytes: number): void {
		this.#count(messages, bytes);
		this.context.counters.addLanes(this.lanes ?? [], 1);
	}

	#deliverQoS0(
		delivery: Delivery,
		subscription: Subscription,
		retain: boolean,
	): void {
		const { outbound } = this;
		if (this.#queuesQoS0(outbound)) {
			this.#enqueue(delivery.stored(), subscription, 0, retain, delivery);
			return;
		}
		if (outbound === null) return;
		const { outlet } = outbound;
		if (outlet.isCongested) {
			delivery.slowOutlet = outlet;
			if (outlet.dropsQoS0) {
				this.context.counters.droppedSlowReader++;
				reportSlowReader(this, outlet);
				return;
			}
		}
		const { counters } = this.context;
		const { identifiers } = subscription;
		const result = outlet.sendPublish(delivery, 0, retain, 0, identifiers);
		if (result === SendResult.TooLarge) counters.droppedTooLarge++;
		else counters.publishSent++;
		this.#skipReplays(delivery);
	}

	/** It is away and wants everything, or has not caught up yet: order is kept. */
	#queuesQoS0(outbound: Outbound | null): boolean {
		if (!this.isPersistent || !this.context.settings.queue_qos0_messages)
			return false;
		return outbound === null || outbound.isCatchingUp;
	}

	#skipReplays(delivery: Delivery): void {
		if (!delivery.publish.retain || this.outbound === null) return;
		this.outbound.skipInReplays(delivery.publish.topic);
	}

	#enqueue(
		message: StoredMessage,
		subscription: Subscription,
		qos: QoS,
		retain: boolean,
		delivery: Delivery | null,
	): boolean {
		const { outbound } = this;
		if (outbound === null && !this.isPersistent) return false; // [v3.1.1 MQTT-3.1.2-5]
		const canSendNow = qos > 0 && outbound?.canSendNow === true;
		if (!canSendNow) {
			const room = roomInQueue(this, message);
			if (room === Room.Rejected && delivery !== null)
				delivery.isRejected = true;
			if (room !== Room.Yes) return false;
		}
		const entry = new InflightEntry(
			message,
			qos,
			retain,
			subscription.identifiers,
			subscription.sharedGroup === null ? null : subscription.filter,
			this.nextSequence(),
		);
		this.countIn(entry);
		if (outbound !== null && delivery !== null && canSendNow) {
			outbound.sendNow(delivery, entry);
			return true;
		}
		const isOwed = delivery !== null && qos > 0;
		storeEntry(this, entry, isOwed ? delivery.ticket : null);
		if (outbound === null) {
			message.release();
		} else if (
			this.isPersistent &&
			(outbound.queue.isSpilled || outbound.queue.isFull)
		) {
			outbound.queue.isSpilled = true;
			message.release();
		} else {
			outbound.queue.push(entry);
		}
		if (outbound !== null && delivery !== null && isFilling(this)) {
			outbound.noteQueuePressure();
			delivery.slowOutlet = outbound.outlet;
		}
		if (canSendNow || qos === 0) outbound?.pump();
		return true;
	}

	#count(messages: number, bytes: number): void {
		this.queuedMessages += messages;
		this.queuedBytes += bytes;
		this.context.counters.addQueued(messages, bytes);
	}
}
