/** The last packet to a client that we disconnect, where its protocol has one. */
import { encodeDisconnect } from "../protocol/packets.ts";
import { disconnectReason, type ReasonCode } from "../protocol/reason-codes.ts";
import type { Connection } from "./connection.ts";
import { ConnectionState } from "./connection-state.ts";

/** @param words what is wrong and what to change; left out where they do not fit */
export function sayGoodbye(
	{ state, dialect, connect, outbox }: Connection,
	reason: ReasonCode,
	words: string,
): void {
	if (state !== ConnectionState.Open) return; // [MQTT-3.14.0-1]
	if (dialect?.sendsDisconnect !== true) return; // [v3.1.1 MQTT-4.8.0-1] [v3.1.1 MQTT-3.1.2-24]
	const limit = connect?.maximumPacketSize ?? 0;
	const code = disconnectReason(reason);
	const frame = encodeDisconnect(code, words); // [MQTT-3.14.2-2]
	if (frame.length <= limit) outbox.append(frame);
	else outbox.append(encodeDisconnect(code)); // [MQTT-3.14.2-3]
}
