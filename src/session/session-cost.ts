/** What sessions cost in memory, as test/bench/memory.ts measured it, in bytes. */
import type { WillMessage } from "../protocol/messages.ts";
import type { Session } from "./session.ts";

const SESSION_BYTES = 350;
export const RECEIVED_ID_BYTES = 40;
const WILL_BYTES = 300;

/** Without its messages, subscriptions and will. */
export function sessionBytes({ clientId, receivedIds }: Session): number {
	const received = receivedIds === null ? 0 : receivedIds.size;
	return SESSION_BYTES + clientId.length + received * RECEIVED_ID_BYTES;
}

export function willBytes({ topic, payload, properties }: WillMessage): number {
	return WILL_BYTES + topic.length + payload.length + properties.length;
}
