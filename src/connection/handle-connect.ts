/**
 * CONNECT, in steps that may each take time: checked, authenticated, perhaps delayed,
 * opened, and answered when what CONNACK reports is on disk. Until then the client is
 * not read; what it sent ahead is kept, bounded by `max_connect_size`.
 */
import type { ClientInfo } from "../broker/hooks.ts";
import { Stage } from "../broker/overload.ts";
import { dialectOf, mqtt5, mqtt311 } from "../protocol/dialect.ts";
import type { Connect } from "../protocol/messages.ts";
import { decodeConnect, peekProtocolLevel } from "../protocol/packets.ts";
import { ReasonCode } from "../protocol/reason-codes.ts";
import { ConnackTicket } from "./accept-connect.ts";
import { authenticate } from "./authenticate.ts";
import { checkConnect } from "./check-connect.ts";
import { ClientOutlet } from "./client-outlet.ts";
import { assignClientId, cappedExpirySeconds } from "./connack.ts";
import type { Connection } from "./connection.ts";
import { logRivals } from "./connection-log.ts";
import { ConnectionState, Hold } from "./connection-state.ts";
import { yieldConnect } from "./disk-trouble.ts";
import { beginExchange } from "./handle-auth.ts";
import { refuseConnect } from "./refuse-connect.ts";

export function handleConnect(
	connection: Connection,
	buffer: Buffer,
	start: number,
	bodyStart: number,
	end: number,
): void {
	const { broker } = connection;
	let connect: Connect;
	try {
		connect = decodeConnect(buffer, start, bodyStart, end); // [MQTT-3.1.4-1]
	} catch (error) {
		const level = peekProtocolLevel(buffer, bodyStart, end);
		connection.dialect = level >= 5 ? mqtt5 : mqtt311;
		throw error;
	}
	connection.connect = connect;
	connection.dialect = dialectOf(connect.protocolVersion);
	connection.connectOrder = broker.nextConnectOrder();
	connection.state = ConnectionState.Connecting;
	connection.client = clientInfo(connection, connect, connect.clientId);
	const refusal = checkConnect(connection, connect);
	if (refusal !== null) {
		refuseConnect(connection, refusal.reason, refusal.words);
		return;
	}
	if (connect.clientId === "") {
		const { registry } = broker;
		const id = assignClientId((each) => registry.has(each));
		connection.client = clientInfo(connection, connect, id); // [MQTT-3.1.3-7]
	}
	if (connect.authenticationMethod === null) authenticate(connection);
	else beginExchange(connection, connect.authenticationMethod);
}

/** Goes on after authentication has succeeded, in whatever way. */
export function onAuthenticated(
	connection: Connection,
	username: string | null,
): void {
	const { broker, client, connect } = connection;
	if (client === null || connect === null) return;
	const known = { ...client, username };
	connection.client = known;
	const { will } = connect;
	if (
		will !== null &&
		!broker.hooks.mayPublish(known, will.topic, will.qos, will.retain)
	) {
		refuseConnect(
			connection,
			ReasonCode.NotAuthorized,
			`not authorised to publish its will to ${will.topic}`,
		);
		return;
	}
	const { registry, settings } = broker;
	const rival = registry.awake(known.clientId)?.outlet;
	const delayMs =
		rival === null || rival === undefined
			? 0
			: registry.takeOvers.delayMs(
					known.clientId,
					settings["duplicate_clientid.takeovers_per_minute"],
				);
	if (delayMs === 0) {
		open(connection);
		return;
	}
	logRivals(connection, rival?.peer ?? "", delayMs);
	connection.hold(Hold.TakeOver, delayMs);
	connection.unhold(Hold.Connecting);
	connection.timers.whenDelayOver = () => open(connection);
}

function open(connection: Connection): void {
	const { broker, client, connect, dialect } = connection;
	if (client === null || connect === null || dialect === null) return;
	const rival = broker.registry.awake(client.clientId)?.outlet;
	if (
		rival instanceof ClientOutlet &&
		rival.connectOrder > connection.connectOrder
	) {
		refuseConnect(
			connection,
			ReasonCode.ServerBusy, // CONNACK has no "session taken over" [MQTT-3.2.2-8]
			"a later connection uses this client id",
		);
		return;
	}
	const { registry } = broker;
	const isNew = !registry.has(client.clientId);
	const known = registry.awake(client.clientId);
	// Who sleeps is persistent.
	const hasRows = known === undefined ? !isNew : known.isPersistent;
	const isStored = connect.sessionExpirySeconds > 0 || hasRows;
	if (isStored && broker.degraded.isOn) {
		yieldConnect(connection, () => open(connection));
		return;
	}
	if (isNew && broker.registry.size >= broker.settings.max_sessions) {
		const words = "max_sessions is reached";
		refuseConnect(connection, ReasonCode.QuotaExceeded, words);
		return;
	}
	if (isNew && broker.overload.stage >= Stage.Refuse) {
		broker.overload.look();
		if (broker.overload.stage >= Stage.Refuse) {
			const words = "memory is short (memory_limit): no new sessions";
			refuseConnect(connection, ReasonCode.QuotaExceeded, words);
			return;
		}
	}
	if (broker.budgets.memory.used >= broker.overload.lookAt)
		broker.overload.look();
	connection.hold(Hold.Connecting);
	connection.unhold(Hold.TakeOver);
	const outlet = new ClientOutlet(
		connection,
		broker,
		connection.outbox,
		dialect,
		connect,
	);
	const ticket = new ConnackTicket(connection);
	ticket.hold();
	const { session, isPresent } = broker.registry.open(
		{
			clientId: client.clientId,
			username: client.username,
			cleanStart: connect.cleanStart,
			expirySeconds: cappedExpirySeconds(
				connect.sessionExpirySeconds,
				broker.settings,
			),
			will: connect.will,
		},
		outlet,
		ticket,
	);
	connection.session = session;
	connection.outlet = outlet;
	ticket.isPresent = isPresent;
	ticket.settle();
}

function clientInfo(
	connection: Connection,
	connect: Connect,
	clientId: string,
): ClientInfo {
	const { info } = connection.stream;
	return {
		clientId,
		username: connect.username,
		peer: connection.peer,
		listener: connection.policy.name,
		transport: info.transport,
		isLoopback: info.isLoopback,
		protocol: connection.dialect?.name ?? "",
	};
}
