/** What CONNACK says: limits, assigned names, and refusals that fit the client's version. */
import { randomBytes } from "node:crypto";
import type { Settings } from "../config/schema.ts";
import { SESSION_NEVER_EXPIRES } from "../protocol/constants.ts";
import type { ConnackProperties } from "../protocol/messages.ts";
import { encodeConnack } from "../protocol/packets.ts";
import { ReasonCode } from "../protocol/reason-codes.ts";
import type { Connection } from "./connection.ts";

/** 65535 seconds leave the choice of keep alive to the client. */
const LONGEST_KEEP_ALIVE = 65_535;
const DEFAULT_RECEIVE_MAXIMUM = 65_535;

/** A client id of our own making that no session has [MQTT-3.1.3-6] [MQTT-3.2.2-16]. */
export function assignClientId(isTaken: (id: string) => boolean): string {
	let id: string;
	do {
		id = `auto-${randomBytes(8).toString("hex")}`;
	} while (isTaken(id));
	return id;
}

/** The session expiry that is granted, in seconds. */
export function cappedExpirySeconds(
	requested: number,
	settings: Settings,
): number {
	const longest = settings.persistent_client_expiration / 1000;
	if (longest === Number.POSITIVE_INFINITY) return requested;
	return Math.min(requested, longest);
}

/** Seconds; 0 for none [MQTT-3.2.2-22]. */
export function grantedKeepAlive(connection: Connection): number {
	const { connect, broker, dialect } = connection;
	const requested = connect?.keepAliveSeconds ?? 0;
	const longest = broker.settings.max_keepalive;
	if (dialect?.hasProperties !== true) return requested;
	if (longest >= LONGEST_KEEP_ALIVE) return requested;
	return requested === 0 ? longest : Math.min(requested, longest);
}

export function connackProperties(
	connection: Connection,
	assignedId: boolean,
	expirySeconds: number,
): ConnackProperties {
	const { broker, connect, client } = connection;
	const { settings } = broker;
	const properties: ConnackProperties = {};
	if (connect === null || client === null) return properties;
	if (assignedId) properties.assignedClientIdentifier = client.clientId; // [MQTT-3.1.3-7]
	if (expirySeconds !== connect.sessionExpirySeconds) {
		properties.sessionExpiryInterval = Math.min(
			expirySeconds,
			SESSION_NEVER_EXPIRES,
		);
	}
	if (settings.receive_max_broker < DEFAULT_RECEIVE_MAXIMUM) {
		properties.receiveMaximum = settings.receive_max_broker;
	}
	if (settings.max_qos < 2) properties.maximumQoS = settings.max_qos as 0 | 1; // [MQTT-3.2.2-9]
	if (!settings.retain_available) properties.retainAvailable = false;
	if (settings.max_packet_size !== Number.POSITIVE_INFINITY) {
		properties.maximumPacketSize = settings.max_packet_size;
	}
	if (settings.topic_alias_max_client > 0) {
		properties.topicAliasMaximum = settings.topic_alias_max_client;
	}
	const keepAlive = grantedKeepAlive(connection);
	if (keepAlive !== connect.keepAliveSeconds) {
		properties.serverKeepAlive = keepAlive;
	}
	// [MQTT-3.1.2-28]
	if (connect.requestResponseInformation && settings.response_information) {
		properties.responseInformation = settings.response_information;
	}
	return properties;
}

/** A CONNACK that fits into what the client takes; null when none does. */
export function fittingConnack(
	connection: Connection,
	isPresent: boolean,
	reason: number,
	properties: ConnackProperties,
): Buffer | null {
	const { dialect, connect } = connection;
	const code = dialect === null ? reason : dialect.connackCode(reason); // [MQTT-3.2.2-8]
	if (code < 0) return null; // [v3.1.1 MQTT-3.2.2-6]
	const family = dialect?.family ?? 5;
	const showsPresent = isPresent && dialect?.hasSessionPresent === true; // [v3.1 section 3.2]
	const limit = connect?.maximumPacketSize ?? Number.POSITIVE_INFINITY;
	const frame = encodeConnack(family, showsPresent, code, properties);
	if (frame.length <= limit) return frame;
	const { reasonString: _, ...rest } = properties; // [MQTT-3.2.2-19]
	const shorter = encodeConnack(family, showsPresent, code, rest);
	return shorter.length <= limit ? shorter : null;
}

export function refusalProperties(
	connection: Connection,
	reason: ReasonCode,
	words: string,
): ConnackProperties {
	if (connection.dialect?.hasProperties === false) return {};
	// Nothing that helps guessing names or passwords.
	const isSecret =
		reason === ReasonCode.BadUserNameOrPassword ||
		reason === ReasonCode.NotAuthorized;
	return isSecret ? {} : { reasonString: words };
}
