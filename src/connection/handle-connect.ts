/**
 * CONNECT, in steps that may each take time: checked, authenticated, perhaps delayed,
 * opened, and answered when what CONNACK reports is on disk. Until then the client is
 * not read; what it sent ahead is kept, bounded by `max_connect_size`.
 */
import type { AuthVerdict, ClientInfo } from "../broker/hooks.ts";
import { dialectOf, mqtt5, mqtt311 } from "../protocol/dialect.ts";
import type { Connect } from "../protocol/messages.ts";
import { decodeConnect, peekProtocolLevel } from "../protocol/packets.ts";
import { ProtocolError } from "../protocol/protocol-error.ts";
import { describeReason, ReasonCode } from "../protocol/reason-codes.ts";
import { CommitTicket } from "../store/commit-ticket.ts";
import { checkConnect } from "./check-connect.ts";
import { ClientOutlet } from "./client-outlet.ts";
import {
	assignClientId,
	cappedExpirySeconds,
	connackProperties,
	fittingConnack,
	grantedKeepAlive,
	refusalProperties,
} from "./connack.ts";
import { type Connection, ConnectionState, Hold } from "./connection.ts";
import { beginExchange } from "./handle-auth.ts";
import { InboundAliases } from "./topic-aliases.ts";

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
		const id = assignClientId((each) => registry.get(each) !== undefined);
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
	const rival = registry.get(known.clientId)?.outlet;
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
	connection.hold(Hold.Connecting, delayMs);
	connection.timers.whenDelayOver = () => open(connection);
}

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
	connection.closeAfter(fittingConnack(connection, false, reason, properties)); // [MQTT-3.2.2-6] [MQTT-3.1.4-2]
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
		connection.closeAfter(null);
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

function authenticate(connection: Connection): void {
	const { broker, client, connect } = connection;
	if (client === null || connect === null) return;
	const hooks = broker.hooks.authenticate;
	if (hooks === null) {
		onVerdict(connection, null);
		return;
	}
	connection.hold(Hold.Connecting);
	const decide = async (): Promise<AuthVerdict | null> => {
		for (const hook of hooks) {
			const verdict = await hook(client, connect.password);
			if (verdict !== null) return verdict;
		}
		return null;
	};
	decide().then(
		(verdict) => connection.guard(() => onVerdict(connection, verdict)),
		(error) => connection.fail(error),
	);
}

function onVerdict(connection: Connection, verdict: AuthVerdict | null): void {
	const username = connection.client?.username ?? null;
	if (verdict === null) {
		const words = anonymousRefusal(connection);
		if (words === null) onAuthenticated(connection, username);
		else refuseConnect(connection, ReasonCode.NotAuthorized, words);
	} else if (verdict.allow) {
		onAuthenticated(connection, verdict.username ?? username);
	} else {
		refuseConnect(connection, verdict.reason, verdict.words);
	}
}

/** Nobody vouched for this client: null when it may come in all the same. */
function anonymousRefusal(connection: Connection): string | null {
	const { allowAnonymous, name } = connection.policy;
	if (allowAnonymous === "on") return null;
	if (allowAnonymous === "off") {
		return `allow_anonymous is off for listener ${name}`;
	}
	if (connection.stream.info.isLoopback) return null;
	return "anonymous clients are allowed from this machine only; set allow_anonymous = on to let in others";
}

function open(connection: Connection): void {
	const { broker, client, connect, dialect } = connection;
	if (client === null || connect === null || dialect === null) return;
	const rival = broker.registry.get(client.clientId)?.outlet;
	if (
		rival instanceof ClientOutlet &&
		rival.connectOrder > connection.connectOrder
	) {
		refuseConnect(
			connection,
			ReasonCode.SessionTakenOver,
			"a later connection uses this client id",
		);
		return;
	}
	connection.hold(Hold.Connecting);
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

/** CONNACK waits for what it reports: a session made, resumed or discarded. */
class ConnackTicket extends CommitTicket {
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
		connection.inboundAliases = new InboundAliases(topic_alias_max_client);
	}
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
	session.outbound?.pump(); // what was in flight, then what waits [MQTT-4.4.0-1]
	connection.unhold(Hold.Connecting);
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

function logRivals(
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
