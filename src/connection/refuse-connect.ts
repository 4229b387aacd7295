/** The end of a CONNECT that failed: the reason for the client, the whole story for the log. */
import type { ProtocolError } from "../protocol/protocol-error.ts";
import { describeReason, ReasonCode } from "../protocol/reason-codes.ts";
import { fittingConnack, refusalProperties } from "./connack.ts";
import type { Connection } from "./connection.ts";

/** Refuses with a CONNACK where the version has one for it, and closes [MQTT-3.2.2-7]. */
export function refuseConnect(
	connection: Connection,
	reason: ReasonCode,
	words: string,
): void {
	const { broker, client } = connection;
	broker.statistics.connectionsRefused++;
	const { remoteAddress } = connection.stream.info;
	const suppressed = broker.logLimit.check(
		`refused ${remoteAddress} ${client?.clientId} ${reason}`,
	);
	if (suppressed >= 0) {
		broker.log.access.warning("client refused", {
			client: client?.clientId ?? "",
			user: client?.username ?? "",
			address: connection.peer,
			listener: connection.policy.name,
			reason: describeReason(reason),
			why: words,
			suppressed,
		});
	}
	const properties = refusalProperties(connection, reason, words);
	connection.closeAfter(fittingConnack(connection, false, reason, properties)); // [MQTT-3.2.2-6] [MQTT-3.1.4-2] [v3.1.1 MQTT-3.2.2-5]
}

/** The answer to a first packet that is no proper CONNECT; it has been logged. */
export function refuseMalformedConnect(
	connection: Connection,
	error: ProtocolError,
): void {
	const { dialect } = connection;
	const isUnsupported =
		error.reasonCode === ReasonCode.UnsupportedProtocolVersion;
	if (dialect?.hasProperties !== true && !(dialect && isUnsupported)) {
		connection.closeAfter(null); // [v3.1.1 MQTT-3.1.4-1]
		return;
	}
	const properties = refusalProperties(
		connection,
		error.reasonCode,
		error.message,
	);
	// [MQTT-3.1.2-1] [MQTT-3.1.2-2]
	connection.closeAfter(
		fittingConnack(connection, false, error.reasonCode, properties),
	);
}
