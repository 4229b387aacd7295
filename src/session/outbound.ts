/**
 * What a session sends while a client is connected: window, head of the queue,
 * retained replays. Made when a connection is attached and thrown away when it is
 * lost, so an answer of the store that comes late finds another object and is ignored.
 *
 * Order: a message goes straight to the client only when nothing waits before it.
 */
import { DeliveryPhase, type RetainedRecord } from "../store/store.ts";
import type { Delivery } from "./delivery.ts";
import {
	Inflight,
	type InflightEntry,
	type InflightOwner,
} from "./inflight.ts";
import { OfflineQueue } from "./offline-queue.ts";
import { type Outlet, SendResult } from "./outlet.ts";
import { hasEmptied } from "./queue-limits.ts";
import { QueueReader } from "./queue-reader.ts";
import { replayEntry, storeEntry } from "./queue-rows.ts";
import { RetainedReplay } from "./retained-replay.ts";
import type { Session } from "./session.ts";
import type { Subscription } from "./subscription.ts";

export class Outbound implements InflightOwner {
	readonly outlet: Outlet;
	readonly inflight: Inflight;
	readonly queue: OfflineQueue;
	/** By filter; only the first is being read. */
	readonly replays: Map<string, RetainedReplay>;
	/** What waited when the client connected has not all been sent. */
	isCatchingUp: boolean;
	readonly #session: Session;
	readonly #window: number;
	/** `queue_type = lifo` when the client connected. */
	readonly #newestFirst: boolean;
	readonly #reader: QueueReader;
	#isPumping = false;
	#isUnderPressure = false;

	/** @param replays that an earlier connection did not finish */
	constructor(
		session: Session,
		outlet: Outlet,
		replays: Map<string, RetainedReplay>,
	) {
		this.#session = session;
		this.outlet = outlet;
		this.replays = replays;
		const { settings, firstPacketId } = session.context;
		this.inflight = new Inflight(firstPacketId);
		this.#window = Math.min(
			outlet.receiveMaximum, // [MQTT-3.3.4-9] [MQTT-4.9.0-1]
			settings.max_inflight_messages,
			settings.receive_max_client,
			65_535,
		);
		this.#newestFirst = settings.queue_type === "lifo";
		this.#reader = new QueueReader(session, this, this.#newestFirst);
		this.queue = new OfflineQueue(session.context.head);
		this.isCatchingUp = session.queuedMessages > 0;
		this.queue.isSpilled = this.isCatchingUp;
	}

	get #hasRoom(): boolean {
		return this.inflight.size < this.#window; // [MQTT-4.9.0-2]
	}

	/** Nothing waits, so a new message may overtake nobody. */
	get canSendNow(): boolean {
		return (
			this.queue.length === 0 &&
			!this.queue.isSpilled &&
			this.#hasRoom &&
			!this.outlet.isCongested
		);
	}

	/** Sends a new message at once; the caller has checked {@link canSendNow}. */
	sendNow(delivery: Delivery, entry: InflightEntry): void {
		this.inflight.add(entry, this);
		entry.phase = DeliveryPhase.Sent;
		if (entry.sequence > this.queue.cursor) this.queue.cursor = entry.sequence;
		// Only where the publisher sends again what is not acknowledged: a received QoS 2 id,
		// or a will that is spent, must not be on disk without every copy of its message.
		const isCancellable =
			delivery.publish.qos === 1 && delivery.ticket !== null;
		if (storeEntry(this.#session, entry, delivery.ticket, isCancellable))
			return;
		entry.wasSent = true;
		const result = this.outlet.sendPublish(
			delivery,
			entry.qos,
			entry.retain,
			entry.packetId,
			entry.identifiers,
		);
		if (result === SendResult.TooLarge) this.#discardTooLarge(entry);
		else this.#session.context.counters.publishSent++;
	}

	/** The queue of this connected client fills up; see {@link isFilling}. */
	noteQueuePressure(): void {
		this.#isUnderPressure = true;
		this.outlet.noteQueuePressure();
	}

	/** Sends what waits, as far as window and connection allow. */
	pump(): void {
		if (this.#isPumping) return;
		this.#isPumping = true;
		try {
			this.#sendWaiting();
		} finally {
			this.#isPumping = false;
		}
		if (this.#isUnderPressure && hasEmptied(this.#session)) {
			this.#isUnderPressure = false;
			this.outlet.relieveQueuePressure();
		}
	}

	/** Memory is short: what waits and is on disk too leaves memory. */
	spill(): void {
		if (!this.#session.isPersistent) return;
		for (const entry of this.queue.spill()) entry.message.release();
	}

	/** PUBACK, PUBCOMP, or a negative PUBREC: the message is done [MQTT-4.4.0-2]. */
	complete(entry: InflightEntry): void {
		this.inflight.remove(entry);
		this.#session.forget(entry);
		this.pump();
	}

	/** PUBREC: the message will not be sent again, PUBREL until PUBCOMP [MQTT-4.3.3-6]. */
	release(entry: InflightEntry): void {
		if (entry.phase === DeliveryPhase.Released) {
			if (!entry.isPending) this.outlet.sendPubrel(entry.packetId);
			return;
		}
		entry.phase = DeliveryPhase.Released;
		if (!entry.isStored) {
			this.outlet.sendPubrel(entry.packetId); // [MQTT-4.3.3-4]
			return;
		}
		const { context, key } = this.#session;
		entry.hold();
		context.store.markReleased(key, entry.sequence, entry);
		entry.settle();
	}

	onEntryDurable(entry: InflightEntry): void {
		if (entry.phase === DeliveryPhase.Released) {
			this.outlet.sendPubrel(entry.packetId);
		} else if (!entry.wasSent) {
			this.#transmit(entry, false);
		}
	}

	/** Sends again what is not acknowledged, on an open connection [v3.1 section 4.2]. */
	retry(): void {
		for (const entry of this.inflight.entries()) {
			if (entry.isPending) continue;
			if (entry.phase === DeliveryPhase.Released) {
				this.outlet.sendPubrel(entry.packetId);
			} else if (entry.wasSent) {
				this.#transmit(entry, true);
			}
		}
	}

	/** Begins to send the retained messages of a subscription [MQTT-3.3.1-9]. */
	replay(subscription: Subscription): void {
		this.stopReplay(subscription.filter);
		const replay = new RetainedReplay(
			subscription,
			this.#session.context.store,
		);
		this.replays.set(subscription.filter, replay);
		this.pump();
	}

	stopReplay(filter: string): void {
		this.replays.get(filter)?.close();
		this.replays.delete(filter);
	}

	/** A topic was delivered live. */
	skipInReplays(topic: string): void {
		for (const replay of this.replays.values()) {
			replay.skip(topic);
			return; // only the first has read anything
		}
	}

	#sendWaiting(): void {
		while (this.#hasRoom && !this.outlet.isCongested) {
			const entry = this.queue.take(this.#newestFirst);
			if (entry === undefined) break;
			this.#sendQueued(entry);
		}
		if (
			this.queue.wantsPage &&
			(!this.#newestFirst || this.queue.length === 0)
		) {
			this.#reader.load();
		}
		if (this.queue.length > 0 || this.queue.isSpilled) return;
		this.isCatchingUp = false;
		if (this.replays.size > 0) this.#pumpReplays();
	}

	#sendQueued(entry: InflightEntry): void {
		const isResent = entry.phase !== DeliveryPhase.Queued;
		const { clock, counters } = this.#session.context;
		const isExpired = entry.message.expiresAtMs <= clock.monotonicMs();
		if (isExpired && !(isResent && entry.qos === 2)) {
			counters.expired++; // [MQTT-3.3.2-5]; a QoS 2 message once sent stays [MQTT-4.3.3-7]
			this.#session.forget(entry);
			return;
		}
		if (entry.qos === 0) {
			this.#transmit(entry, false);
			this.#session.forget(entry); // nobody will acknowledge it
			return;
		}
		const storedId = entry.packetId;
		this.inflight.add(entry, this);
		if (entry.phase === DeliveryPhase.Released) {
			this.outlet.sendPubrel(entry.packetId); // [MQTT-4.4.0-1]
			return;
		}
		entry.phase = DeliveryPhase.Sent;
		const mustPersistId =
			entry.qos === 2 && entry.isStored && entry.packetId !== storedId;
		if (!mustPersistId) {
			this.#transmit(entry, isResent); // [MQTT-3.3.1-1]
			return;
		}
		const { context, key } = this.#session;
		entry.hold();
		context.store.markSent(key, entry.sequence, entry.packetId, entry);
		entry.settle();
	}

	#transmit(entry: InflightEntry, duplicate: boolean): void {
		entry.wasSent = true;
		const result = this.outlet.sendEntry(
			entry,
			duplicate,
			this.#session.remainingExpirySeconds(entry.message),
		);
		if (result === SendResult.Sent) {
			this.#session.context.counters.publishSent++;
		} else if (entry.qos > 0) {
			this.#discardTooLarge(entry);
		} else {
			this.#session.context.counters.droppedTooLarge++;
		}
	}

	#discardTooLarge(entry: InflightEntry): void {
		this.#session.context.counters.droppedTooLarge++;
		this.inflight.remove(entry);
		this.#session.forget(entry); // [MQTT-3.1.2-25]
		this.pump();
	}

	#pumpReplays(): void {
		const { clock } = this.#session.context;
		for (const [filter, replay] of this.replays) {
			if (replay.isLoading) return;
			while (this.#hasRoom && !this.outlet.isCongested) {
				const record = replay.take(clock.wallMs());
				if (record === undefined) break;
				this.#sendRetained(replay.subscription, record);
			}
			if (replay.needsPage) this.#loadReplay(replay);
			if (!replay.isDone) return;
			this.replays.delete(filter);
		}
	}

	#loadReplay(replay: RetainedReplay): void {
		replay.loadPage().then(
			() => this.#session.outbound?.pump(),
			(error) => {
				replay.close();
				const { log } = this.#session.context;
				log.store.error(`cannot read retained messages: ${error}`);
			},
		);
	}

	#sendRetained(subscription: Subscription, record: RetainedRecord): void {
		const entry = replayEntry(this.#session, subscription, record);
		if (entry.qos === 0) {
			this.#transmit(entry, false);
			entry.message.release();
			return;
		}
		this.inflight.add(entry, this);
		entry.phase = DeliveryPhase.Sent;
		// QoS 1: written only when the connection is lost before the acknowledgement.
		if (entry.qos === 2 && this.#session.isPersistent) {
			this.#session.countIn(entry);
			storeEntry(this.#session, entry, null);
			return;
		}
		this.#transmit(entry, false);
	}
}
