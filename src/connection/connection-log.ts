/** What a connection says in the log: one line for each refusal and fault, rate-limited. */
import type { ProtocolError } from "../protocol/protocol-error.ts";
import { describeReason } from "../protocol/reason-codes.ts";
import type { Connection } from "./connection.ts";

export function logClosed(connection: Connection, reason: string): void {
	const { client, broker, peer, session } = connection;
	if (client === null || session === null) {
		broker.log.access.debug("connection closed", { address: peer, reason });
		return;
	}
	broker.log.access.info("client disconnected", {
		client: client.clientId,
		address: peer,
		reason,
	});
}

/** A peer that was closed before it said who it is. */
export function logRefused(
	connection: Connection,
	reason: string,
	key: string,
): void {
	const { statistics, logLimit, log } = connection.broker;
	statistics.connectionsRefused++;
	const { remoteAddress } = connection.stream.info;
	const suppressed = logLimit.check(`refused ${key} ${remoteAddress}`);
	if (suppressed < 0) return;
	log.access.warning("connection closed", {
		address: connection.peer,
		listener: connection.policy.name,
		reason,
		key,
		suppressed,
	});
}

export function logProtocolError(
	connection: Connection,
	error: ProtocolError,
): void {
	const { logLimit, log } = connection.broker;
	const client = connection.client?.clientId ?? "";
	const { remoteAddress } = connection.stream.info;
	const suppressed = logLimit.check(`protocol ${client} ${remoteAddress}`);
	if (suppressed < 0) return;
	log.protocol.warning("client broke the protocol", {
		client,
		address: connection.peer,
		listener: connection.policy.name,
		reason: describeReason(error.reasonCode),
		error: error.message,
		suppressed,
	});
}

export function logFailure(connection: Connection, error: unknown): void {
	const { logLimit, log } = connection.broker;
	if (logLimit.check("failure") < 0) return;
	log.system.error("closing a connection after a failure of ours", {
		client: connection.client?.clientId ?? "",
		address: connection.peer,
		error: error instanceof Error ? error : String(error),
	});
}

/** Two devices with one client id: named together, so that both can be found. */
export function logRivals(
	connection: Connection,
	rivalPeer: string,
	delayMs: number,
): void {
	const { broker, client } = connection;
	const suppressed = broker.logLimit.check(`rivals ${client?.clientId}`);
	if (suppressed < 0) return;
	broker.log.access.warning(
		"two clients use the same client id and throw each other out",
		{
			client: client?.clientId ?? "",
			address: connection.peer,
			other_address: rivalPeer,
			delayed_ms: delayMs,
			change: "give each device a client id of its own",
			suppressed,
		},
	);
}
