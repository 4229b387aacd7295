/** Which packet goes to which handler, and which packets are allowed when. */
import { decodePingreq, PINGRESP } from "../protocol/acks.ts";
import { PacketType, packetTypeName } from "../protocol/constants.ts";
import { ProtocolError } from "../protocol/protocol-error.ts";
import { ReasonCode } from "../protocol/reason-codes.ts";
import type { Connection } from "./connection.ts";
import { ConnectionState } from "./connection-state.ts";
import {
	handlePuback,
	handlePubcomp,
	handlePubrec,
	handlePubrel,
} from "./handle-acks.ts";
import { handleAuth } from "./handle-auth.ts";
import { handleConnect } from "./handle-connect.ts";
import { handleDisconnect } from "./handle-disconnect.ts";
import { handlePublish } from "./handle-publish.ts";
import { handleSubscribe } from "./handle-subscribe.ts";
import { handleUnsubscribe } from "./handle-unsubscribe.ts";

/** One whole packet, borrowed. @throws ProtocolError */
export function dispatch(
	connection: Connection,
	buffer: Buffer,
	start: number,
	bodyStart: number,
	end: number,
): void {
	const type = (buffer[start] as number) >> 4;
	if (connection.state !== ConnectionState.Open) {
		dispatchBeforeOpen(connection, type, buffer, start, bodyStart, end);
		return;
	}
	switch (type) {
		case PacketType.Publish:
			handlePublish(connection, buffer, start, bodyStart, end);
			break;
		case PacketType.Puback:
			handlePuback(connection, buffer, start, bodyStart, end);
			break;
		case PacketType.Pubrec:
			handlePubrec(connection, buffer, start, bodyStart, end);
			break;
		case PacketType.Pubrel:
			handlePubrel(connection, buffer, start, bodyStart, end);
			break;
		case PacketType.Pubcomp:
			handlePubcomp(connection, buffer, start, bodyStart, end);
			break;
		case PacketType.Subscribe:
			handleSubscribe(connection, buffer, start, bodyStart, end);
			break;
		case PacketType.Unsubscribe:
			handleUnsubscribe(connection, buffer, start, bodyStart, end);
			break;
		case PacketType.Pingreq:
			decodePingreq(buffer, start, bodyStart, end);
			connection.outbox.append(PINGRESP); // [MQTT-3.12.4-1]
			break;
		case PacketType.Disconnect:
			handleDisconnect(connection, buffer, start, bodyStart, end);
			break;
		case PacketType.Auth:
			if (connection.dialect?.hasAuth === true) {
				handleAuth(connection, buffer, start, bodyStart, end);
				break;
			}
			throw unexpected(type);
		default:
			throw unexpected(type); // [MQTT-3.1.0-2]
	}
}

function dispatchBeforeOpen(
	connection: Connection,
	type: number,
	buffer: Buffer,
	start: number,
	bodyStart: number,
	end: number,
): void {
	const { state } = connection;
	if (state === ConnectionState.AwaitConnect && type === PacketType.Connect) {
		handleConnect(connection, buffer, start, bodyStart, end);
		return;
	}
	if (state === ConnectionState.Connecting && connection.exchange !== null) {
		if (type === PacketType.Auth) {
			handleAuth(connection, buffer, start, bodyStart, end);
			return;
		}
		if (type === PacketType.Disconnect) {
			handleDisconnect(connection, buffer, start, bodyStart, end);
			return;
		}
	}
	if (state === ConnectionState.Closed) return; // [MQTT-3.1.4-6] [v3.1.1 MQTT-3.1.4-5]
	throw unexpected(type); // [MQTT-3.1.0-1] [MQTT-3.1.2-30]
}

function unexpected(type: number): ProtocolError {
	const isKnown = type >= PacketType.Connect && type <= PacketType.Auth;
	return new ProtocolError(
		isKnown ? ReasonCode.ProtocolError : ReasonCode.MalformedPacket,
		`${packetTypeName[type]} is not allowed here`,
	);
}
