/** PUBLISH from a client: checked, authorised, routed, answered. The hot path's second hop. */
import { Stage } from "../broker/overload.ts";
import { PacketType } from "../protocol/constants.ts";
import { ProtocolError } from "../protocol/protocol-error.ts";
import { decodePublish, type Publish } from "../protocol/publish.ts";
import { ReasonCode } from "../protocol/reason-codes.ts";
import { isReservedTopic, levelCount } from "../protocol/topic.ts";
import { Delivery } from "../session/delivery.ts";
import type { PendingAck } from "./ack-ring.ts";
import type { ClientOutlet } from "./client-outlet.ts";
import type { Connection } from "./connection.ts";
import { Hold } from "./connection-state.ts";
import { yieldPublish } from "./disk-trouble.ts";
import { MessageRate } from "./message-rate.ts";

/** Bytes on their way to the disk above which publishers of stored messages pause. */
const STORE_BACKLOG_BYTES = 16 * 1024 * 1024;
const STORE_BACKLOG_PAUSE_MS = 50;
const OWED_PAUSE_MS = 20;

export function handlePublish(
	connection: Connection,
	buffer: Buffer,
	start: number,
	bodyStart: number,
	end: number,
): void {
	const { broker, dialect, session } = connection;
	if (dialect === null || session === null) return;
	const publish = decodePublish(
		buffer,
		start,
		bodyStart,
		end,
		dialect.family,
		connection.topicMemory,
	);
	if (publish.topicAlias > 0) resolveAlias(connection, publish);
	checkLimits(connection, publish);
	if (broker.degraded.isOn && publish.qos > 0) {
		if (yieldPublish(connection, publish)) return;
	}
	broker.statistics.publishReceived++;
	if (publish.qos === 0) {
		route(connection, publish, null);
	} else if (publish.qos === 1) {
		checkReceiveMaximum(connection);
		const ack = connection.acks.add(PacketType.Puback, publish.packetId); // [MQTT-4.3.2-4]
		const reason = route(connection, publish, ack);
		if (!ack.isRefused) ack.reasonCode = reason;
		ack.settle();
		connection.limitPendingAcks();
	} else {
		handleQoS2(connection, publish);
	}
	limitRate(connection);
}

/** Routed on the first PUBLISH; a repetition before PUBREL is only acknowledged [MQTT-4.3.3-10]. */
function handleQoS2(connection: Connection, publish: Publish): void {
	const { session, broker } = connection;
	if (session === null) return;
	const { packetId } = publish;
	const isRepeated = session.receivedIds?.has(packetId) === true;
	if (!isRepeated) checkReceiveMaximum(connection);
	const ack = connection.acks.add(PacketType.Pubrec, packetId); // [MQTT-4.3.3-8]
	if (!isRepeated) {
		const reason = route(connection, publish, ack);
		if (!ack.isRefused) ack.reasonCode = reason;
		// [MQTT-4.3.3-9]: after a refusal the id is free again
		if (ack.reasonCode < 0x80) {
			session.addReceivedId(packetId);
			if (session.isPersistent) {
				broker.store.putReceivedId(session.key, packetId, ack);
			}
			if (!ack.isUnshared)
				ack.whenRefused = () => forgetReceived(connection, packetId, ack);
		}
	}
	ack.settle();
	connection.limitPendingAcks();
}

/** A refusal that came late; who cannot be told it goes on as if there were none. */
function forgetReceived(
	{ session, broker, dialect }: Connection,
	packetId: number,
	ack: PendingAck,
): void {
	if (dialect?.hasReasonCodes !== true) return;
	if (session?.deleteReceivedId(packetId) !== true) return;
	if (session.isPersistent) {
		broker.store.deleteReceivedId(session.key, packetId, ack);
	}
}

function route(
	connection: Connection,
	publish: Publish,
	ack: PendingAck | null,
): ReasonCode {
	const { broker, client, session } = connection;
	if (client === null || session === null) return ReasonCode.UnspecifiedError;
	const { topic, qos, retain } = publish;
	if (
		isReservedTopic(topic) ||
		!broker.hooks.mayPublish(client, topic, qos, retain)
	) {
		return refuse(connection, publish);
	}
	const delivery = new Delivery(publish, client.clientId, ack, broker.context);
	const reason = broker.router.publish(delivery, client);
	if (delivery.slowOutlet !== null) {
		pauseFor(connection, delivery.slowOutlet as ClientOutlet);
	}
	limitStoreBacklog(connection, publish, ack);
	limitMemory(connection, publish);
	const canBeTold = connection.dialect?.hasReasonCodes === true;
	if (reason === ReasonCode.QuotaExceeded && !canBeTold)
		return ReasonCode.Success;
	return reason;
}

/** A subscriber lags: its publishers wait for it, but only for a moment (architecture: P4). */
function pauseFor(connection: Connection, outlet: ClientOutlet): void {
	if (!outlet.isPausing || outlet === connection.outlet) return;
	connection.broker.statistics.publishersPaused++;
	connection.hold(
		Hold.SlowSubscriber,
		connection.broker.settings.slow_subscriber_pause,
	);
	outlet.pausePublisher(connection);
}

function refuse(connection: Connection, publish: Publish): ReasonCode {
	const { broker, client } = connection;
	broker.statistics.publishDenied++;
	const suppressed = broker.logLimit.check(`publish ${client?.clientId}`);
	if (suppressed >= 0) {
		broker.log.access.warning("publish refused", {
			client: client?.clientId ?? "",
			user: client?.username ?? "",
			address: connection.peer,
			topic: publish.topic,
			reason: isReservedTopic(publish.topic)
				? "$SYS belongs to the broker"
				: "not authorised",
			suppressed,
		});
	}
	return ReasonCode.NotAuthorized; // [v3.1.1 MQTT-3.3.5-2] [v3.1 section 3.3]
}

function resolveAlias(connection: Connection, publish: Publish): void {
	const aliases = connection.inboundAliases;
	if (aliases === null) {
		throw new ProtocolError(
			ReasonCode.TopicAliasInvalid,
			"topic alias, but Topic Alias Maximum is 0",
		); // [MQTT-3.2.2-18]
	}
	const topic = aliases.resolve(publish.topicAlias, publish.topic);
	if (publish.topic === "") publish.topic = topic;
}

function checkLimits(connection: Connection, publish: Publish): void {
	const { granted } = connection;
	const { settings } = connection.broker;
	if (publish.qos > granted.maxQoS) {
		throw new ProtocolError(
			ReasonCode.QoSNotSupported,
			`QoS ${publish.qos} is above max_qos`,
		);
	}
	if (publish.retain && !granted.retainAvailable) {
		throw new ProtocolError(
			ReasonCode.RetainNotSupported,
			"retained messages are switched off (retain_available)",
		);
	}
	if (publish.payloadLength > settings.max_message_size) {
		throw new ProtocolError(
			ReasonCode.PacketTooLarge,
			`payload of ${publish.payloadLength} bytes is above max_message_size`,
		);
	}
	const { topic } = publish;
	const { max_topic_length, max_topic_levels } = settings;
	// A topic has at most one level more than characters: most need not be counted.
	const isDeep =
		topic.length >= max_topic_levels && levelCount(topic) > max_topic_levels;
	if (topic.length > max_topic_length || isDeep) {
		throw new ProtocolError(
			ReasonCode.TopicNameInvalid,
			"topic is above max_topic_length or max_topic_levels",
		);
	}
}

/** [MQTT-3.3.4-7] */
function checkReceiveMaximum(connection: Connection): void {
	const { dialect, acks, session, granted } = connection;
	if (dialect?.hasProperties !== true || session === null) return;
	const maximum = granted.receiveMaximum;
	const received = session.receivedIds?.size ?? 0;
	if (acks.pendingMessages + received < maximum) return;
	throw new ProtocolError(
		ReasonCode.ReceiveMaximumExceeded,
		`more than ${maximum} messages without waiting for an acknowledgement`,
	);
}

/** What waits for the disk is bounded in bytes: who adds to it waits too. */
function limitStoreBacklog(
	connection: Connection,
	publish: Publish,
	ack: PendingAck | null,
): void {
	const { pendingBytes } = connection.broker.store.counters;
	const { limit } = connection.broker.budgets.memory;
	if (pendingBytes < Math.min(STORE_BACKLOG_BYTES, limit / 8)) return;
	if (publish.retain || ack?.isPending === true) {
		connection.hold(Hold.StoreBusy, STORE_BACKLOG_PAUSE_MS);
	}
}

/** While memory is short, who publishes the most waits (architecture: P2). */
function limitMemory(connection: Connection, publish: Publish): void {
	const { overload, budgets, pace } = connection.broker;
	if (budgets.memory.used >= overload.lookAt) overload.look();
	if (overload.stage < Stage.Slow) return;
	const waitMs = pace.take(connection, publish.payloadLength);
	if (waitMs === 0) return;
	connection.broker.statistics.publishersSlowed++;
	// Who has messages of its own to acknowledge is read on: that frees memory.
	const isOwed = (connection.session?.outbound?.inflight.size ?? 0) > 0;
	connection.hold(
		Hold.Memory,
		isOwed ? Math.min(waitMs, OWED_PAUSE_MS) : waitMs,
	);
}

function limitRate(connection: Connection): void {
	const { max_message_rate } = connection.broker.settings;
	if (max_message_rate === Number.POSITIVE_INFINITY) return;
	const now = connection.broker.clock.monotonicMs();
	connection.rate ??= new MessageRate(max_message_rate, now);
	const waitMs = connection.rate.take(max_message_rate, now);
	if (waitMs > 0) connection.hold(Hold.MessageRate, waitMs);
}
