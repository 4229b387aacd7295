import { decodeUnsubscribe, encodeUnsuback } from "../protocol/packets.ts";
import { ReasonCode } from "../protocol/reason-codes.ts";
import type { Connection } from "./connection.ts";
import { yieldUnsubscribe } from "./disk-trouble.ts";

/** UNSUBSCRIBE: filters are compared character by character [MQTT-3.10.4-1]. */
export function handleUnsubscribe(
	connection: Connection,
	buffer: Buffer,
	start: number,
	bodyStart: number,
	end: number,
): void {
	const { dialect, session, broker } = connection;
	if (dialect === null || session === null) return;
	const { packetId, filters } = decodeUnsubscribe(
		buffer,
		start,
		bodyStart,
		end,
		dialect.family,
		dialect.allowsDupOnRequests,
	);
	if (session.isPersistent && broker.degraded.isOn) {
		if (yieldUnsubscribe(connection, packetId, filters.length)) return;
	}
	const ack = connection.acks.add(0, packetId);
	// [MQTT-3.10.4-6] [MQTT-3.11.3-1]
	const codes = filters.map((filter) => {
		const existed = broker.router.subscriptions.remove(session, filter); // [MQTT-3.10.4-2]
		if (!existed) return ReasonCode.NoSubscriptionExisted;
		session.outbound?.stopReplay(filter);
		if (session.isPersistent) {
			broker.store.deleteSubscription(session.key, filter, ack);
		}
		return ReasonCode.Success;
	});
	ack.frame = encodeUnsuback(packetId, codes, dialect.family); // [MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-3.11.3-2] [v3.1.1 MQTT-3.10.4-5]
	ack.settle();
	connection.limitPendingAcks();
}
