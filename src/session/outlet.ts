/** The live end of a session: what a `Connection` offers the session it serves. */
import type { QoS } from "../protocol/constants.ts";
import type { ReasonCode } from "../protocol/reason-codes.ts";
import type { Delivery } from "./delivery.ts";
import type { InflightEntry } from "./inflight.ts";

export const SendResult = {
	Sent: 0,
	/** Larger than the client's Maximum Packet Size: treated as delivered [MQTT-3.1.2-25]. */
	TooLarge: 1,
} as const;
export type SendResult = (typeof SendResult)[keyof typeof SendResult];

export interface Outlet {
	/** In words for logs: `192.168.1.7:50312`. */
	readonly peer: string;
	/** Messages with QoS > 0 the client takes at once [MQTT 5, 3.1.2.11.3]. */
	readonly receiveMaximum: number;
	/** CONNACK has been sent; nothing may leave before it [MQTT-3.2.0-1]. */
	readonly isOpen: boolean;
	/** So much waits for the peer that messages should stay in their queue. */
	readonly isCongested: boolean;
	/** QoS 0 has to be dropped now: the peer has been slow for too long. */
	readonly dropsQoS0: boolean;

	/** Its queue fills: publishers to it pause, for a moment at most. */
	noteQueuePressure(): void;
	/** Its queue has emptied again. */
	relieveQueuePressure(): void;
	/** Sends a message passing through, for the first time. */
	sendPublish(
		delivery: Delivery,
		qos: QoS,
		retain: boolean,
		packetId: number,
		identifiers: readonly number[],
	): SendResult;
	/** Sends a message from a queue or a window. `expirySeconds` is what remains, -1 for none. */
	sendEntry(
		entry: InflightEntry,
		duplicate: boolean,
		expirySeconds: number,
	): SendResult;
	sendPubrel(packetId: number): void;
	/** Ends the connection; the session has already let go of it. */
	terminate(reason: ReasonCode, words: string): void;
}
