/**
 * AUTH: the exchange that an authentication method needs, at CONNECT and again on an
 * open connection [MQTT 5, 4.12]. The method itself is an extension's.
 */
import type { AuthExchange, AuthStep } from "../broker/hooks.ts";
import { decodeAuth, encodeAuth } from "../protocol/packets.ts";
import { ProtocolError } from "../protocol/protocol-error.ts";
import { ReasonCode } from "../protocol/reason-codes.ts";
import type { Connection } from "./connection.ts";
import { ConnectionState, Hold } from "./connection-state.ts";
import { onAuthenticated } from "./handle-connect.ts";
import { refuseConnect } from "./refuse-connect.ts";

/** Starts the exchange that CONNECT asked for; the method is known to exist. */
export function beginExchange(connection: Connection, method: string): void {
	connection.exchange = makeExchange(connection, method);
	step(connection, connection.connect?.authenticationData ?? null);
}

export function handleAuth(
	connection: Connection,
	buffer: Buffer,
	start: number,
	bodyStart: number,
	end: number,
): void {
	const auth = decodeAuth(buffer, start, bodyStart, end);
	const method = connection.connect?.authenticationMethod ?? null;
	if (method === null) {
		throw new ProtocolError(
			ReasonCode.ProtocolError,
			"AUTH from a client that gave no authentication method",
		); // [MQTT-4.12.0-7]
	}
	if (auth.authenticationMethod !== method) {
		throw new ProtocolError(
			ReasonCode.ProtocolError,
			"AUTH with another authentication method than CONNECT",
		); // [MQTT-4.12.0-5] [MQTT-4.12.1-1]
	}
	if (auth.reasonCode === ReasonCode.ReAuthenticate) {
		if (connection.state !== ConnectionState.Open) throw notNow();
		connection.exchange = makeExchange(connection, method);
	} else if (
		auth.reasonCode !== ReasonCode.ContinueAuthentication || // [MQTT-4.12.0-3]
		connection.exchange === null
	) {
		throw notNow();
	}
	step(connection, auth.authenticationData);
}

function makeExchange(connection: Connection, method: string): AuthExchange {
	const { client, broker } = connection;
	const authenticator = broker.hooks.authenticators.get(method);
	if (client === null || authenticator === undefined) {
		throw new ProtocolError(
			ReasonCode.NotAuthorized,
			"this authentication method is not offered any more",
		);
	}
	return authenticator.begin(client);
}

function step(connection: Connection, data: Buffer | null): void {
	const { exchange } = connection;
	if (exchange === null) return;
	connection.hold(Hold.Connecting);
	Promise.resolve(exchange.next(data)).then(
		(result) => {
			if (connection.exchange !== exchange) return;
			connection.guard(() => onStep(connection, result));
		},
		(error) => connection.fail(error),
	);
}

function onStep(connection: Connection, result: AuthStep): void {
	const method = connection.connect?.authenticationMethod ?? "";
	const isOpen = connection.state === ConnectionState.Open;
	// AUTH goes without a Reason String. [MQTT-3.15.2-2]
	if (result.step === "continue") {
		connection.outbox.append(
			encodeAuth(ReasonCode.ContinueAuthentication, method, result.data), // [MQTT-4.12.0-2] [MQTT-3.15.2-1]
		);
		connection.unhold(Hold.Connecting);
		return;
	}
	connection.exchange = null;
	if (result.step === "refuse") {
		// [MQTT-4.12.0-4] [MQTT-4.12.1-2]
		if (isOpen) connection.terminate(result.reason, result.words);
		else refuseConnect(connection, result.reason, result.words);
		return;
	}
	if (isOpen) {
		connection.outbox.append(
			encodeAuth(ReasonCode.Success, method, result.data),
		);
		connection.unhold(Hold.Connecting);
		return;
	}
	connection.authenticationData = result.data;
	onAuthenticated(
		connection,
		result.username ?? connection.client?.username ?? null,
	);
}

function notNow(): ProtocolError {
	return new ProtocolError(
		ReasonCode.ProtocolError,
		"AUTH with this reason code is not allowed here",
	);
}
