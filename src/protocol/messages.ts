import type { QoS } from "./constants.ts";

/** How a packet is laid out on the wire: 3.1 and 3.1.1 share one form, 5 has properties. */
export type Family = 3 | 5;

/**
 * An application message apart from any packet: what is published, kept, and sent.
 *
 * `properties` are raw MQTT 5 PUBLISH properties in their original order, validated,
 * without a length prefix and without those the broker owns (Topic Alias, Message
 * Expiry Interval, Subscription Identifier). Empty for messages of 3.x clients.
 */
export interface ApplicationMessage {
	readonly topic: string;
	readonly qos: QoS;
	readonly retain: boolean;
	readonly payload: Buffer;
	readonly properties: Buffer;
	/** Message Expiry Interval as published, in seconds; -1 when absent. */
	readonly expirySeconds: number;
}

/** A will as it came with CONNECT [MQTT 5, 3.1.2.5]. */
export interface WillMessage extends ApplicationMessage {
	/** Seconds between the end of the connection and the publication; 0 for 3.x. */
	readonly delaySeconds: number;
}

export interface Connect {
	/** Protocol level as it was sent, bridge bit removed: 3, 4 or 5. */
	readonly protocolVersion: 3 | 4 | 5;
	/** The top bit of the level was set: the peer is a mosquitto or RSMB bridge. */
	readonly bridge: boolean;
	readonly cleanStart: boolean;
	readonly keepAliveSeconds: number;
	readonly clientId: string;
	readonly username: string | null;
	readonly password: Buffer | null;
	readonly will: WillMessage | null;
	/** Seconds; for 3.x 0 with clean session and 0xffffffff without [mapped at the door]. */
	readonly sessionExpirySeconds: number;
	/** 65535 when absent [MQTT-3.1.2-11.3]. */
	readonly receiveMaximum: number;
	/** Bytes; Infinity when absent. */
	readonly maximumPacketSize: number;
	readonly topicAliasMaximum: number;
	readonly requestResponseInformation: boolean;
	readonly requestProblemInformation: boolean;
	readonly authenticationMethod: string | null;
	readonly authenticationData: Buffer | null;
	readonly userProperties: ReadonlyArray<readonly [string, string]>;
}

export interface SubscriptionRequest {
	readonly filter: string;
	readonly qos: QoS;
	readonly noLocal: boolean;
	readonly retainAsPublished: boolean;
	/** 0 send retained, 1 only when the subscription is new, 2 never. */
	readonly retainHandling: 0 | 1 | 2;
}

export interface Subscribe {
	readonly packetId: number;
	/** 0 when the client gave none. */
	readonly subscriptionIdentifier: number;
	readonly subscriptions: readonly SubscriptionRequest[];
}

export interface Unsubscribe {
	readonly packetId: number;
	readonly filters: readonly string[];
}

/** PUBACK, PUBREC, PUBREL, PUBCOMP. */
export interface Acknowledgement {
	readonly packetId: number;
	/** 0 when the packet has none. */
	readonly reasonCode: number;
}

export interface Disconnect {
	readonly reasonCode: number;
	/** Seconds; -1 when absent. */
	readonly sessionExpirySeconds: number;
	readonly reasonString: string | null;
}

export interface Auth {
	readonly reasonCode: number;
	readonly authenticationMethod: string | null;
	readonly authenticationData: Buffer | null;
}

/** Properties of a CONNACK that the server may send; absent ones are not sent. */
export interface ConnackProperties {
	sessionExpiryInterval?: number;
	receiveMaximum?: number;
	maximumQoS?: 0 | 1;
	retainAvailable?: boolean;
	maximumPacketSize?: number;
	assignedClientIdentifier?: string;
	topicAliasMaximum?: number;
	reasonString?: string;
	serverKeepAlive?: number;
	responseInformation?: string;
	authenticationMethod?: string;
	authenticationData?: Buffer;
}
