/**
 * From a decoded PUBLISH to the sessions that get it. Synchronous: runs inside the
 * socket read that brought the message.
 */
import type { ByteBudget } from "../platform/byte-budget.ts";
import type { QoS } from "../protocol/constants.ts";
import type { WillMessage } from "../protocol/messages.ts";
import { Publish } from "../protocol/publish.ts";
import { ReasonCode } from "../protocol/reason-codes.ts";
import { Delivery } from "../session/delivery.ts";
import type { InflightEntry } from "../session/inflight.ts";
import { canTakeMessage } from "../session/queue-limits.ts";
import type { Session } from "../session/session.ts";
import type { SessionContext } from "../session/session-context.ts";
import type { Subscription } from "../session/subscription.ts";
import { DeliveryPhase } from "../store/store.ts";
import type { MemberView, SharedGroup } from "../topics/shared-group.ts";
import type { ClientInfo, Hooks } from "./hooks.ts";
import { RetainedMessages } from "./retained-messages.ts";
import { SubscriptionTable } from "./subscription-table.ts";

const members: MemberView<Subscription> = {
	isOnline: ({ session }) => session.isReachable,
	inflight: ({ session }) => session.queuedMessages,
	canTake: ({ session }) => canTakeMessage(session),
};

/** Sessions that are no objects; the registry. */
export interface Sleepers {
	visit(sleeper: number, act: (session: Session) => void): void;
}

export class Router {
	readonly subscriptions: SubscriptionTable;
	/** Set once, when both are made. */
	sleepers: Sleepers | null = null;
	readonly #context: SessionContext;
	readonly #hooks: Hooks;
	readonly #retained: RetainedMessages;

	/** @param subscriptionBudget charged for all subscriptions */
	constructor(
		context: SessionContext,
		hooks: Hooks,
		subscriptionBudget: ByteBudget | null = null,
	) {
		this.subscriptions = new SubscriptionTable(subscriptionBudget);
		this.#context = context;
		this.#hooks = hooks;
		this.#retained = new RetainedMessages(context);
	}

	/**
	 * Delivers a message to everybody it concerns. Authorisation has been done.
	 * @param client who published; null for the broker itself
	 * @returns Success; NoMatchingSubscribers when nobody wanted it; QuotaExceeded when a
	 *   full queue has refused it
	 */
	publish(delivery: Delivery, client: ClientInfo | null): ReasonCode {
		const { publish } = delivery;
		if (this.#hooks.publish !== null) {
			for (const hook of this.#hooks.publish) {
				if (!hook(publish, client)) return ReasonCode.Success;
			}
		}
		if (publish.retain) this.#retained.apply(delivery);
		return this.deliver(delivery);
	}

	/** The last step of {@link publish}, without hooks and retained messages. */
	deliver(delivery: Delivery): ReasonCode {
		const { publish } = delivery;
		const route = this.subscriptions.route(publish.topic);
		const { subscriptions, asleep, groups } = route;
		for (let i = 0; i < subscriptions.length; i++) {
			const subscription = subscriptions[i] as Subscription;
			subscription.session.deliver(delivery, subscription); // [MQTT-4.5.0-1] [v3.1.1 MQTT-4.5.0-1]
		}
		if (asleep.length > 0) this.#deliverAsleep(asleep, delivery);
		for (let i = 0; i < groups.length; i++)
			this.#deliverShared(groups[i] as SharedGroup<Subscription>, delivery);
		if (delivery.isRejected) return ReasonCode.QuotaExceeded;
		return subscriptions.length + asleep.length + groups.length === 0
			? ReasonCode.NoMatchingSubscribers
			: ReasonCode.Success;
	}

	/** Whether a message has to be written for somebody before it can be acknowledged. */
	needsDisk(topic: string, qos: QoS): boolean {
		const { subscriptions, asleep, groups } = this.subscriptions.route(topic);
		const isWritten = (each: Subscription) => isWrittenFor(each, qos);
		if (subscriptions.some(isWritten)) return true;
		if (this.#isOwed(asleep, qos)) return true;
		return groups.some((group) => [...group.members].some(isWritten));
	}

	/** Publishes a will in the name of its session. */
	publishWill(session: Session, will: WillMessage): void {
		const publish = Publish.fromMessage(will);
		this.publish(
			new Delivery(publish, session.clientId, null, this.#context),
			null,
		); // [MQTT-3.1.2-14] [MQTT-3.1.2-15] [MQTT-3.1.3-10]
	}

	/**
	 * A member of shared groups has left. What it has not acknowledged goes to another
	 * member; a QoS 2 message that was sent stays with its session [MQTT-4.8.2-4] [MQTT-4.8.2-5].
	 */
	handOver(session: Session, entries: readonly InflightEntry[]): void {
		for (const entry of entries) {
			if (entry.sharedGroup === null) continue;
			if (entry.qos === 2 && entry.phase !== DeliveryPhase.Queued) continue;
			const heir = this.#heir(session, entry.sharedGroup);
			if (heir === null) continue;
			if (!heir.session.inherit(entry.message, heir)) continue;
			entry.message.take(); // forget() gives back a share; the caller gives back its own
			session.forget(entry);
		}
	}

	/** Somebody could take over messages of one of these shared filters. */
	hasHeir(leaving: Session, filters: readonly string[]): boolean {
		return filters.some((filter) => this.#heir(leaving, filter) !== null);
	}

	#heir(leaving: Session, filter: string): Subscription | null {
		const group = this.subscriptions.groupOf(filter);
		if (group === undefined) return null;
		let best: Subscription | null = null;
		for (const member of group.members) {
			if (member.session === leaving) continue;
			if (member.session.isReachable) {
				if (
					best === null ||
					!best.session.isReachable ||
					member.session.queuedMessages < best.session.queuedMessages
				) {
					best = member;
				}
			} else if (best === null && isLeavingForGood(leaving)) {
				best = member;
			}
		}
		return best;
	}

	/** @param entries of sleeping sessions; those of one session follow each other */
	#deliverAsleep(entries: readonly number[], delivery: Delivery): void {
		const { subscriptions: table, sleepers } = this;
		if (sleepers === null) return;
		for (let from = 0; from < entries.length; ) {
			const sleeper = table.sleeperOf(entries[from] as number);
			let end = from + 1;
			while (
				end < entries.length &&
				table.sleeperOf(entries[end] as number) === sleeper
			)
				end++;
			const own = entries.slice(from, end);
			from = end;
			if (!this.#isOwed(own, delivery.publish.qos)) continue;
			sleepers.visit(sleeper, (session) =>
				session.deliver(delivery, table.merged(session, own)),
			);
		}
	}

	/** Messages of QoS 0 are for those who are there, unless the settings say otherwise. */
	#isOwed(entries: readonly number[], published: QoS): boolean {
		const { settings } = this.#context;
		if (entries.length === 0) return false;
		if (settings.queue_qos0_messages) return true;
		if (published === 0 && !settings.upgrade_outgoing_qos) return false;
		return entries.some((entry) => this.subscriptions.qosOf(entry) > 0);
	}

	#deliverShared(group: SharedGroup<Subscription>, delivery: Delivery): void {
		const policy = this.#context.settings.shared_subscription_policy;
		const member = group.pick(policy, members);
		if (member !== null) member.session.deliver(delivery, member);
	}
}

/** What goes to its client at once may be acknowledged before it is written. */
function isWrittenFor(subscription: Subscription, published: QoS): boolean {
	const { session } = subscription;
	if (!session.isPersistent) return false;
	const qos = session.grantedQoS(published, subscription);
	const isCancellable =
		published === 1 && session.outbound?.canSendNow === true;
	return qos === 2 || (qos === 1 && !isCancellable);
}

/** It will not come back for its messages: a member that is away may have them too. */
function isLeavingForGood(session: Session): boolean {
	return session.isEnded || session.expirySeconds === 0;
}
