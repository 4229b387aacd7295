/** The end of a CONNECT that succeeded: CONNACK, as soon as it may be sent. */
import { ProtocolError } from "../protocol/protocol-error.ts";
import { ReasonCode } from "../protocol/reason-codes.ts";
import { CommitTicket } from "../store/commit-ticket.ts";
import {
	connackProperties,
	fittingConnack,
	grantedKeepAlive,
} from "./connack.ts";
import type { Connection } from "./connection.ts";
import { Hold } from "./connection-state.ts";
import { InboundAliases } from "./topic-aliases.ts";

/** CONNACK waits for what it reports: a session made, resumed or discarded. */
export class ConnackTicket extends CommitTicket {
	isPresent = false;
	readonly #connection: Connection;

	constructor(connection: Connection) {
		super();
		this.#connection = connection;
	}

	protected override onDurable(): void {
		this.#connection.guard(() => accept(this.#connection, this.isPresent));
	}
}

function accept(connection: Connection, isPresent: boolean): void {
	const { broker, client, connect, session, outlet } = connection;
	if (client === null || connect === null) return;
	if (session === null || outlet === null) return;
	const isAssigned = connect.clientId === "";
	const properties = connackProperties(
		connection,
		isAssigned,
		session.expirySeconds,
	);
	if (connect.authenticationMethod !== null) {
		properties.authenticationMethod = connect.authenticationMethod; // [MQTT-4.12.0-5]
		if (connection.authenticationData !== null) {
			properties.authenticationData = connection.authenticationData;
		}
	}
	const connack = fittingConnack(
		connection,
		isPresent, // [MQTT-3.2.2-2] [MQTT-3.2.2-3]
		ReasonCode.Success, // [MQTT-3.1.4-5]
		properties,
	);
	if (connack === null) {
		throw new ProtocolError(
			ReasonCode.PacketTooLarge,
			"Maximum Packet Size leaves no room for a CONNACK",
		);
	}
	connection.outbox.append(connack); // [MQTT-3.2.0-1] [MQTT-3.2.0-2]
	const keepAliveSeconds = grantedKeepAlive(connection);
	connection.timers.keepAliveMs = keepAliveSeconds * 1500; // [MQTT-3.1.2-22]
	const { topic_alias_max_client } = broker.settings;
	if (connection.dialect?.hasProperties && topic_alias_max_client > 0) {
		connection.inboundAliases = new InboundAliases(
			topic_alias_max_client,
			broker.budgets.connections,
		);
	}
	connection.granted = {
		receiveMaximum: broker.settings.receive_max_broker,
		maxQoS: broker.settings.max_qos,
		retainAvailable: broker.settings.retain_available,
	};
	connection.onOpened();
	broker.log.access.info("client connected", {
		client: client.clientId,
		user: client.username ?? "",
		address: connection.peer,
		listener: connection.policy.name,
		protocol: client.protocol,
		keepalive: keepAliveSeconds,
		session: isPresent ? "resumed" : session.isPersistent ? "new" : "clean",
	});
	outlet.isOpen = true;
	session.outbound?.pump(); // what was in flight, then what waits [MQTT-4.4.0-1] [v3.1.1 MQTT-4.4.0-1]
	connection.unhold(Hold.Connecting);
}
