/** PUBACK, PUBREC, PUBCOMP, SUBACK, UNSUBACK: as short as they can be, within what the client takes. */
import {
	type AcknowledgementType,
	encodeAcknowledgement,
} from "../protocol/acks.ts";
import { ReasonCode } from "../protocol/reason-codes.ts";
import type { PendingAck } from "./ack-ring.ts";
import type { Connection } from "./connection.ts";

export function writeAnswer(connection: Connection, ack: PendingAck): void {
	const { frame, type, reasonCode, packetId } = ack;
	const { dialect, connect, outbox } = connection;
	const takesReasons = dialect?.hasReasonCodes === true;
	if (frame === null && (reasonCode === 0 || !takesReasons)) {
		outbox.appendAck(type << 4, packetId); // [MQTT-2.2.1-5]
		return;
	}
	const bytes =
		frame ??
		encodeAcknowledgement(type as AcknowledgementType, packetId, reasonCode, 5);
	if (bytes.length <= (connect?.maximumPacketSize ?? 0)) {
		outbox.append(bytes);
		return;
	}
	const words = "Maximum Packet Size leaves no room for an answer";
	connection.terminate(ReasonCode.PacketTooLarge, words); // [MQTT-3.1.2-24]
}
