/** PUBACK, PUBREC, PUBREL, PUBCOMP: the handshakes of QoS 1 and 2, both ways. */
import {
	decodeAcknowledgement,
	encodeAcknowledgement,
} from "../protocol/acks.ts";
import { PacketType } from "../protocol/constants.ts";
import type { Acknowledgement } from "../protocol/messages.ts";
import { ReasonCode } from "../protocol/reason-codes.ts";
import { DeliveryPhase } from "../store/store.ts";
import type { Connection } from "./connection.ts";

const FAILURE = 0x80;

function decode(
	connection: Connection,
	buffer: Buffer,
	start: number,
	bodyStart: number,
	end: number,
): Acknowledgement {
	const { dialect } = connection;
	return decodeAcknowledgement(
		buffer,
		start,
		bodyStart,
		end,
		dialect?.family ?? 3,
		dialect?.allowsDupOnRequests === true,
	);
}

/** The client has a QoS 1 message. An unknown id is ignored: it may be late. */
export function handlePuback(
	connection: Connection,
	buffer: Buffer,
	start: number,
	bodyStart: number,
	end: number,
): void {
	const ack = decode(connection, buffer, start, bodyStart, end);
	const outbound = connection.session?.outbound;
	const entry = outbound?.inflight.get(ack.packetId);
	if (entry === undefined || entry.qos !== 1 || !entry.wasSent) return;
	outbound?.complete(entry); // a negative one too [MQTT-4.4.0-2] [MQTT-4.8.2-6]
}

/** The client has a QoS 2 message; from now on only PUBREL is sent [MQTT-4.3.3-6]. */
export function handlePubrec(
	connection: Connection,
	buffer: Buffer,
	start: number,
	bodyStart: number,
	end: number,
): void {
	const ack = decode(connection, buffer, start, bodyStart, end);
	const outbound = connection.session?.outbound;
	const entry = outbound?.inflight.get(ack.packetId);
	if (entry === undefined || entry.qos !== 2 || !entry.wasSent) {
		connection.outbox.append(
			encodeAcknowledgement(
				PacketType.Pubrel,
				ack.packetId,
				ReasonCode.PacketIdentifierNotFound,
				connection.dialect?.family ?? 3,
			),
		);
		return;
	}
	const isRefused =
		ack.reasonCode >= FAILURE && entry.phase !== DeliveryPhase.Released;
	if (isRefused)
		outbound?.complete(entry); // [MQTT-4.4.0-2] [MQTT-4.8.2-6]
	else outbound?.release(entry); // [MQTT-4.3.3-4]
}

/** The client has finished: its QoS 2 id is free again once that is on disk. */
export function handlePubrel(
	connection: Connection,
	buffer: Buffer,
	start: number,
	bodyStart: number,
	end: number,
): void {
	const { packetId } = decode(connection, buffer, start, bodyStart, end);
	const { session, broker, acks } = connection;
	if (session === null) return;
	const pubcomp = acks.add(PacketType.Pubcomp, packetId); // [MQTT-4.3.3-11]
	if (!session.deleteReceivedId(packetId)) {
		pubcomp.reasonCode = ReasonCode.PacketIdentifierNotFound;
	} else if (session.isPersistent) {
		broker.store.deleteReceivedId(session.key, packetId, pubcomp);
	}
	pubcomp.settle();
	connection.limitPendingAcks();
}

export function handlePubcomp(
	connection: Connection,
	buffer: Buffer,
	start: number,
	bodyStart: number,
	end: number,
): void {
	const { packetId } = decode(connection, buffer, start, bodyStart, end);
	const outbound = connection.session?.outbound;
	const entry = outbound?.inflight.get(packetId);
	if (entry === undefined || entry.phase !== DeliveryPhase.Released) return;
	outbound?.complete(entry);
}
