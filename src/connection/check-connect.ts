/** What the broker demands of a well-formed CONNECT before it asks who the client is. */
import type { Connect, WillMessage } from "../protocol/messages.ts";
import { ReasonCode } from "../protocol/reason-codes.ts";
import { checkTopicName, isReservedTopic } from "../protocol/topic.ts";
import type { Connection } from "./connection.ts";

export interface Refusal {
	readonly reason: ReasonCode;
	/** For the log, and for a version 5 client: what is wrong and which key says so. */
	readonly words: string;
}

/** @returns null when nothing speaks against it */
export function checkConnect(
	connection: Connection,
	connect: Connect,
): Refusal | null {
	const { broker, policy } = connection;
	const { settings } = broker;
	if (!policy.allowedProtocolVersions.includes(connect.protocolVersion)) {
		return {
			reason: ReasonCode.UnsupportedProtocolVersion,
			words: `allowed_protocol_versions of listener ${policy.name} leaves out this version`,
		};
	}
	if (broker.connections.size > settings.max_connections) {
		return {
			reason: ReasonCode.ServerBusy,
			words: "max_connections is reached",
		};
	}
	return (
		checkClientId(connection, connect) ??
		(connect.will === null ? null : checkWill(connection, connect.will)) ??
		checkMethod(connection, connect)
	);
}

function checkClientId(
	connection: Connection,
	connect: Connect,
): Refusal | null {
	const { settings } = connection.broker;
	const { clientId, cleanStart } = connect;
	const reason = ReasonCode.ClientIdentifierNotValid;
	if (clientId !== "") {
		// [MQTT-3.1.3-5] [MQTT-3.1.3-8]; longer ones than MQTT 3.1 allows are accepted
		if (clientId.length <= settings.max_client_id_size) return null;
		return { reason, words: "client id is above max_client_id_size" };
	}
	const emptyClientId = connection.dialect?.emptyClientId ?? "never";
	if (emptyClientId === "never") {
		return { reason, words: "this protocol version needs a client id" };
	}
	if (emptyClientId === "clean" && !cleanStart) {
		return { reason, words: "an empty client id needs a clean session" }; // [v3.1.1 MQTT-3.1.3-8]
	}
	if (settings.allow_zero_length_clientid) return null;
	return { reason, words: "allow_zero_length_clientid is off" };
}

function checkWill(connection: Connection, will: WillMessage): Refusal | null {
	const { settings } = connection.broker;
	if (will.qos > settings.max_qos) {
		return {
			reason: ReasonCode.QoSNotSupported, // [MQTT-3.2.2-12]
			words: "QoS of the will is above max_qos",
		};
	}
	if (will.retain && !settings.retain_available) {
		return {
			reason: ReasonCode.RetainNotSupported, // [MQTT-3.2.2-13]
			words: "the will is retained and retain_available is off",
		};
	}
	if (isReservedTopic(will.topic)) {
		return {
			reason: ReasonCode.NotAuthorized,
			words: "topic of the will is in $SYS, which belongs to the broker",
		};
	}
	const problem = checkTopicName(will.topic, settings.max_topic_levels);
	if (problem !== null || will.topic.length > settings.max_topic_length) {
		return {
			reason: ReasonCode.TopicNameInvalid,
			words: `topic of the will ${problem ?? "is above max_topic_length"}`,
		};
	}
	if (will.payload.length > settings.max_message_size) {
		return {
			reason: ReasonCode.PacketTooLarge,
			words: "payload of the will is above max_message_size",
		};
	}
	return null;
}

function checkMethod(connection: Connection, connect: Connect): Refusal | null {
	const method = connect.authenticationMethod;
	if (method === null) return null;
	if (connection.broker.hooks.authenticators.has(method)) return null;
	return {
		reason: ReasonCode.BadAuthenticationMethod, // [MQTT-4.12.0-1]
		words: "this authentication method is not offered here",
	};
}
