/** SUBSCRIBE: each filter is checked, authorised and granted for itself [MQTT-3.8.4-5]. */
import type { QoS } from "../protocol/constants.ts";
import type { Subscribe, SubscriptionRequest } from "../protocol/messages.ts";
import { decodeSubscribe, encodeSuback } from "../protocol/packets.ts";
import { ProtocolError } from "../protocol/protocol-error.ts";
import { ReasonCode } from "../protocol/reason-codes.ts";
import { checkTopicFilter } from "../protocol/topic.ts";
import type { Session } from "../session/session.ts";
import type { Subscription } from "../session/subscription.ts";
import type { PendingAck } from "./ack-ring.ts";
import type { Connection } from "./connection.ts";
import { yieldSubscribe } from "./disk-trouble.ts";

export function handleSubscribe(
	connection: Connection,
	buffer: Buffer,
	start: number,
	bodyStart: number,
	end: number,
): void {
	const { dialect, session } = connection;
	if (dialect === null || session === null) return;
	const subscribe = decodeSubscribe(
		buffer,
		start,
		bodyStart,
		end,
		dialect.family,
		dialect.allowsDupOnRequests,
	);
	const problems = subscribe.subscriptions.map((request) =>
		problemOf(connection, request),
	);
	if (session.isPersistent && connection.broker.degraded.isOn) {
		const qos = subscribe.subscriptions.map((request) => request.qos);
		if (yieldSubscribe(connection, subscribe.packetId, qos)) return;
	}
	const ack = connection.acks.add(0, subscribe.packetId); // [MQTT-3.8.4-1]
	const replays = new Map<string, Subscription>();
	const codes = subscribe.subscriptions.map((request, index) => {
		const refusal = problems[index] ?? refusalOf(connection, session, request);
		const code =
			refusal ?? grant(connection, session, subscribe, request, ack, replays);
		return dialect.subackCode(code, request.qos); // [MQTT-3.8.4-7] [MQTT-3.9.3-2]
	}); // [MQTT-3.8.4-6] [MQTT-3.9.3-1]
	ack.frame = encodeSuback(subscribe.packetId, codes, dialect.family); // [MQTT-3.8.4-2]
	if (replays.size > 0) {
		ack.whenSent = () => {
			for (const subscription of replays.values())
				session.outbound?.replay(subscription);
		};
	}
	ack.settle();
	connection.limitPendingAcks();
}

/** A filter that is no filter: told where the protocol can tell it, else fatal. */
function problemOf(
	connection: Connection,
	request: SubscriptionRequest,
): ReasonCode | null {
	const { settings } = connection.broker;
	const problem = checkTopicFilter(request.filter, settings.max_topic_levels); // [v3.1.1 MQTT-3.8.3-2]
	const words =
		request.filter.length > settings.max_topic_length
			? "is above max_topic_length"
			: problem;
	if (words === null) return null;
	if (connection.dialect?.answersBadFilter === true) {
		logRefused(connection, request.filter, words);
		return ReasonCode.TopicFilterInvalid; // [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.8.2-1] [MQTT-4.8.2-2]
	}
	throw new ProtocolError(
		ReasonCode.TopicFilterInvalid,
		`filter of SUBSCRIBE ${words}`,
	);
}

function refusalOf(
	connection: Connection,
	session: Session,
	request: SubscriptionRequest,
): ReasonCode | null {
	const { broker, client } = connection;
	const { filter, qos } = request;
	if (client === null || !broker.hooks.maySubscribe(client, filter, qos)) {
		logRefused(connection, filter, "not authorised");
		return ReasonCode.NotAuthorized;
	}
	const { max_subscriptions_per_client } = broker.settings;
	const isNew = !session.subscriptions.has(filter);
	if (isNew && session.subscriptions.size >= max_subscriptions_per_client) {
		logRefused(connection, filter, "above max_subscriptions_per_client");
		return ReasonCode.QuotaExceeded;
	}
	const { size } = broker.router.subscriptions;
	if (isNew && size >= broker.settings.max_subscriptions) {
		logRefused(connection, filter, "max_subscriptions is reached");
		return ReasonCode.QuotaExceeded;
	}
	return null;
}

function grant(
	connection: Connection,
	session: Session,
	subscribe: Subscribe,
	request: SubscriptionRequest,
	ack: PendingAck,
	replays: Map<string, Subscription>,
): ReasonCode {
	const { broker } = connection;
	const qos = Math.min(request.qos, broker.settings.max_qos) as QoS; // [MQTT-3.2.2-10]
	const options = {
		qos,
		noLocal: request.noLocal,
		retainAsPublished: request.retainAsPublished,
		identifier: subscribe.subscriptionIdentifier,
	};
	const { subscription, isNew } = broker.router.subscriptions.add(
		session,
		request.filter,
		options,
	);
	if (session.isPersistent) {
		broker.store.putSubscription(
			session.key,
			{ filter: request.filter, ...options },
			ack,
		);
	}
	const wantsRetained =
		request.retainHandling === 0 || (request.retainHandling === 1 && isNew); // [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11] [MQTT-3.8.4-4] [v3.1.1 MQTT-3.3.1-6]
	if (wantsRetained && subscription.sharedGroup === null) {
		replays.set(request.filter, subscription);
	}
	return qos as ReasonCode;
}

function logRefused(
	connection: Connection,
	filter: string,
	reason: string,
): void {
	const { broker, client } = connection;
	broker.statistics.subscribeDenied++;
	const suppressed = broker.logLimit.check(`subscribe ${client?.clientId}`);
	if (suppressed < 0) return;
	broker.log.access.warning("subscription refused", {
		client: client?.clientId ?? "",
		user: client?.username ?? "",
		address: connection.peer,
		filter,
		reason,
		suppressed,
	});
}
