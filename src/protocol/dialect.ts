import type { Family } from "./messages.ts";
import { ReasonCode } from "./reason-codes.ts";

/**
 * What the three protocol versions differ in, for everybody but the codec. The broker
 * thinks in MQTT 5; a connection asks its dialect and never a version number. Chosen
 * at CONNECT, frozen, shared by all connections.
 */

export interface Dialect {
	readonly name: "3.1" | "3.1.1" | "5.0";
	/** How its packets are laid out. */
	readonly family: Family;
	/** The longest client identifier the standard allows, in characters. */
	readonly clientIdLimit: number;
	/** The client may leave out its identifier always, only with a clean session, or never. */
	readonly emptyClientId: "always" | "clean" | "never";
	/** CONNACK can say that a session is resumed. */
	readonly hasSessionPresent: boolean;
	/** Acknowledgements, UNSUBACK and DISCONNECT carry reason codes: a refusal can be told. */
	readonly hasReasonCodes: boolean;
	/** CONNACK, SUBACK and others carry properties: limits, server keep alive, assigned id. */
	readonly hasProperties: boolean;
	/** The server may send DISCONNECT; otherwise it just closes. */
	readonly sendsDisconnect: boolean;
	/** The packet AUTH exists. */
	readonly hasAuth: boolean;
	/** A malformed filter fails alone in SUBACK; otherwise it closes the connection. */
	readonly answersBadFilter: boolean;
	/** Unacknowledged messages are sent again on an open connection (`retry_interval`). */
	readonly retriesOnOpenConnection: boolean;
	/** PUBREL, SUBSCRIBE and UNSUBSCRIBE may have DUP set. */
	readonly allowsDupOnRequests: boolean;
	/**
	 * The code for a CONNACK that refuses (or accepts, for Success).
	 * @returns -1 when this version has none: close without an answer
	 */
	connackCode(reasonCode: number): number;
	/**
	 * The code for one filter in a SUBACK.
	 * @param reasonCode granted QoS, or a failure from 0x80 on
	 * @param requestedQoS what the client asked for
	 */
	subackCode(reasonCode: number, requestedQoS: number): number;
}

/** Return codes of CONNACK in 3.1 and 3.1.1 [v3.1.1 table 3.1]. */
const returnCodes: ReadonlyMap<number, number> = new Map([
	[ReasonCode.Success, 0],
	[ReasonCode.UnsupportedProtocolVersion, 1],
	[ReasonCode.ClientIdentifierNotValid, 2],
	[ReasonCode.UnspecifiedError, 3],
	[ReasonCode.ImplementationSpecificError, 3],
	[ReasonCode.ServerUnavailable, 3],
	[ReasonCode.ServerBusy, 3],
	[ReasonCode.ServerShuttingDown, 3],
	[ReasonCode.QuotaExceeded, 3],
	[ReasonCode.UseAnotherServer, 3],
	[ReasonCode.ServerMoved, 3],
	[ReasonCode.ConnectionRateExceeded, 3],
	[ReasonCode.BadUserNameOrPassword, 4],
	[ReasonCode.NotAuthorized, 5],
	[ReasonCode.Banned, 5],
	[ReasonCode.BadAuthenticationMethod, 5],
	[ReasonCode.RetainNotSupported, 5],
	[ReasonCode.QoSNotSupported, 5],
]);

function returnCodeOf(reasonCode: number): number {
	return returnCodes.get(reasonCode) ?? -1;
}

const SUBSCRIPTION_FAILED = 0x80;

export const mqtt31: Dialect = Object.freeze({
	name: "3.1",
	family: 3,
	clientIdLimit: 23, // [v3.1 section 3.1]
	emptyClientId: "never",
	hasSessionPresent: false,
	hasReasonCodes: false,
	hasProperties: false,
	sendsDisconnect: false,
	hasAuth: false,
	answersBadFilter: false,
	retriesOnOpenConnection: true, // [v3.1 section 4.2]
	allowsDupOnRequests: true, // [v3.1 section 2.1]
	connackCode: returnCodeOf,
	// There is no code for a failure: the client is told what it asked for. [v3.1 section 3.9]
	subackCode: (reasonCode: number, requestedQoS: number) =>
		reasonCode >= 0x80 ? requestedQoS : reasonCode,
} as const);

export const mqtt311: Dialect = Object.freeze({
	name: "3.1.1",
	family: 3,
	clientIdLimit: 65_535,
	emptyClientId: "clean", // [v3.1.1 MQTT-3.1.3-8]
	hasSessionPresent: true,
	hasReasonCodes: false,
	hasProperties: false,
	sendsDisconnect: false,
	hasAuth: false,
	answersBadFilter: false,
	retriesOnOpenConnection: false,
	allowsDupOnRequests: false,
	connackCode: returnCodeOf,
	subackCode: (reasonCode: number) =>
		reasonCode >= 0x80 ? SUBSCRIPTION_FAILED : reasonCode, // [v3.1.1 MQTT-3.9.3-2]
} as const);

export const mqtt5: Dialect = Object.freeze({
	name: "5.0",
	family: 5,
	clientIdLimit: 65_535,
	emptyClientId: "always", // [MQTT-3.1.3-6]
	hasSessionPresent: true,
	hasReasonCodes: true,
	hasProperties: true,
	sendsDisconnect: true,
	hasAuth: true,
	answersBadFilter: true,
	retriesOnOpenConnection: false, // [MQTT-4.4.0-1]
	allowsDupOnRequests: false,
	connackCode: (reasonCode: number) => reasonCode,
	subackCode: (reasonCode: number) => reasonCode,
} as const);

/** The dialect for a `Connect.protocolVersion`. */
export function dialectOf(protocolVersion: 3 | 4 | 5): Dialect {
	if (protocolVersion === 5) return mqtt5;
	return protocolVersion === 4 ? mqtt311 : mqtt31;
}
