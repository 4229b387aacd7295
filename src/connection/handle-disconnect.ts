import { decodeDisconnect } from "../protocol/packets.ts";
import { ProtocolError } from "../protocol/protocol-error.ts";
import { describeReason, ReasonCode } from "../protocol/reason-codes.ts";
import { cappedExpirySeconds } from "./connack.ts";
import type { Connection } from "./connection.ts";

/** DISCONNECT: the client goes; its will stays behind only if it says so. */
export function handleDisconnect(
	connection: Connection,
	buffer: Buffer,
	start: number,
	bodyStart: number,
	end: number,
): void {
	const { dialect, session, broker, client } = connection;
	const packet = decodeDisconnect(
		buffer,
		start,
		bodyStart,
		end,
		dialect?.family ?? 3,
	);
	if (session !== null && packet.sessionExpirySeconds >= 0) {
		if (session.expirySeconds === 0 && packet.sessionExpirySeconds > 0) {
			throw new ProtocolError(
				ReasonCode.ProtocolError,
				"DISCONNECT cannot keep a session that was to end with the connection",
			);
		}
		session.expirySeconds = cappedExpirySeconds(
			packet.sessionExpirySeconds,
			broker.settings,
		);
	}
	connection.discardsWill = packet.reasonCode === ReasonCode.Success; // [MQTT-3.14.4-3] [MQTT-3.1.2-8] [v3.1.1 MQTT-3.14.4-3]
	if (client !== null) {
		broker.log.access.info("client disconnected", {
			client: client.clientId,
			address: connection.peer,
			reason:
				packet.reasonCode === ReasonCode.Success
					? "said goodbye"
					: describeReason(packet.reasonCode),
		});
	}
	connection.closeAfter(null);
}
