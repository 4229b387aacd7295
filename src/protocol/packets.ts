import mqttPacket, {
	type IAuthPacket,
	type IConnectPacket,
	type IDisconnectPacket,
	type ISubscribePacket,
	type IUnsubscribePacket,
	type Packet,
} from "mqtt-packet";
import { malformed } from "./bytes.ts";
import { PropertyId, type QoS, SESSION_NEVER_EXPIRES } from "./constants.ts";
import type {
	Auth,
	Connect,
	Disconnect,
	Family,
	Subscribe,
	SubscriptionRequest,
	Unsubscribe,
	WillMessage,
} from "./messages.ts";
import { copyPropertiesWithout, userPropertiesOf } from "./properties.ts";
import { ProtocolError } from "./protocol-error.ts";
import { ReasonCode } from "./reason-codes.ts";
import {
	checkAuth,
	checkDisconnect,
	checkSubscribe,
	checkUnsubscribe,
} from "./strict.ts";
import { type ConnectShape, checkConnect } from "./strict-connect.ts";
import { checkTopicName } from "./topic.ts";

/**
 * Decoders for the packets that come seldom. `strict.ts` has the last word on what is
 * allowed, the mqtt-packet library turns the bytes into values, and what the library
 * loses (the order of properties) is taken from the bytes. Nothing that is returned
 * points into the buffer given.
 */

export {
	encodeAuth,
	encodeConnack,
	encodeDisconnect,
	encodeSuback,
	encodeUnsuback,
} from "./encode-packets.ts";
export { peekProtocolLevel } from "./strict-connect.ts";

const NOTHING = Buffer.alloc(0);
const DUP = 8;

/** Has the library read one frame, of which it gets a copy. */
function parse(frame: Buffer, protocolVersion: number): Packet {
	const parser = mqttPacket.parser({ protocolVersion });
	let result: Packet | null = null;
	parser.on("packet", (packet) => {
		result = packet;
	});
	parser.on("error", (error: Error) => {
		throw malformed(error.message);
	});
	parser.parse(frame);
	if (result === null) throw malformed("packet cannot be read");
	return result;
}

function copyOf(buffer: Buffer, start: number, end: number): Buffer {
	return Buffer.from(buffer.subarray(start, end));
}

/**
 * Decodes a CONNECT of any version.
 * @throws ProtocolError UnsupportedProtocolVersion for a protocol name or level we do
 *   not speak, otherwise the reason a version 5 client is told
 */
export function decodeConnect(
	buffer: Buffer,
	start: number,
	bodyStart: number,
	end: number,
): Connect {
	const shape = checkConnect(buffer, start, bodyStart, end);
	const frame = copyOf(buffer, start, end);
	frame[shape.flagsAt - start] = shape.flags;
	const packet = parse(frame, shape.level) as IConnectPacket;
	const cleanStart = packet.clean === true;
	const properties = packet.properties;
	const { level, bridge } = shape;
	const data = properties?.authenticationData;
	return {
		protocolVersion: level,
		bridge,
		cleanStart,
		keepAliveSeconds: packet.keepalive ?? 0,
		clientId: packet.clientId,
		username: packet.username ?? null,
		password:
			packet.password === undefined ? null : Buffer.from(packet.password),
		will: decodeWill(packet, shape, buffer),
		sessionExpirySeconds:
			level === 5
				? (properties?.sessionExpiryInterval ?? 0)
				: cleanStart
					? 0
					: SESSION_NEVER_EXPIRES,
		receiveMaximum: properties?.receiveMaximum ?? 65_535,
		maximumPacketSize:
			properties?.maximumPacketSize ?? Number.POSITIVE_INFINITY,
		topicAliasMaximum: properties?.topicAliasMaximum ?? 0,
		requestResponseInformation: properties?.requestResponseInformation ?? false,
		requestProblemInformation: properties?.requestProblemInformation ?? true,
		authenticationMethod: properties?.authenticationMethod ?? null,
		authenticationData: data === undefined ? null : Buffer.from(data),
		userProperties:
			shape.properties === null
				? []
				: userPropertiesOf(buffer, shape.properties),
	};
}

function decodeWill(
	packet: IConnectPacket,
	shape: ConnectShape,
	buffer: Buffer,
): WillMessage | null {
	const will = packet.will;
	if (will === undefined) return null;
	const problem = checkTopicName(will.topic);
	if (problem !== null)
		throw new ProtocolError(
			ReasonCode.TopicNameInvalid,
			`will topic ${problem}`,
		);
	return {
		topic: will.topic,
		qos: will.qos ?? 0,
		retain: will.retain === true,
		payload: Buffer.from(will.payload as Buffer),
		properties:
			shape.willProperties === null
				? NOTHING
				: copyPropertiesWithout(
						buffer,
						shape.willProperties,
						PropertyId.WillDelayInterval,
						PropertyId.MessageExpiryInterval,
					), // [MQTT-3.1.3-10]
		expirySeconds: will.properties?.messageExpiryInterval ?? -1,
		delaySeconds: will.properties?.willDelayInterval ?? 0,
	};
}

/** The flags a request has to have; a 3.1 client may set DUP when it sends one again. */
function requestFlags(
	buffer: Buffer,
	start: number,
	dupAllowed: boolean,
): number {
	const first = buffer[start] as number;
	return dupAllowed && (first & DUP) !== 0 ? 2 | DUP : 2; // [v3.1 section 3.8] [v3.1 section 3.10]
}

function copyRequest(buffer: Buffer, start: number, end: number): Buffer {
	const frame = copyOf(buffer, start, end);
	frame[0] = (frame[0] as number) & ~DUP;
	return frame;
}

/**
 * Decodes a SUBSCRIBE. Whether its filters are well-formed is not checked here: an
 * invalid one is a reason to answer in version 5 and to close in 3.x.
 * @param dupAllowed the dialect lets a request be sent again with DUP (3.1)
 * @throws ProtocolError
 */
export function decodeSubscribe(
	buffer: Buffer,
	start: number,
	bodyStart: number,
	end: number,
	family: Family,
	dupAllowed = false,
): Subscribe {
	const flags = requestFlags(buffer, start, dupAllowed);
	checkSubscribe(buffer, start, bodyStart, end, family, flags);
	const frame = copyRequest(buffer, start, end);
	const packet = parse(frame, family === 5 ? 5 : 4) as ISubscribePacket;
	const subscriptions = packet.subscriptions.map(
		(request): SubscriptionRequest => ({
			filter: request.topic,
			qos: request.qos as QoS,
			noLocal: request.nl === true,
			retainAsPublished: request.rap === true,
			retainHandling: (request.rh ?? 0) as 0 | 1 | 2,
		}),
	);
	return {
		packetId: packet.messageId ?? 0,
		subscriptionIdentifier: firstOf(packet.properties?.subscriptionIdentifier),
		subscriptions,
	};
}

/** The library gives one number or a list of them. */
function firstOf(value: number | number[] | undefined): number {
	return (Array.isArray(value) ? value[0] : value) ?? 0;
}

/**
 * Decodes an UNSUBSCRIBE; its filters are only compared, so they are not checked.
 * @param dupAllowed as for {@link decodeSubscribe}
 * @throws ProtocolError
 */
export function decodeUnsubscribe(
	buffer: Buffer,
	start: number,
	bodyStart: number,
	end: number,
	family: Family,
	dupAllowed = false,
): Unsubscribe {
	const flags = requestFlags(buffer, start, dupAllowed);
	checkUnsubscribe(buffer, start, bodyStart, end, family, flags);
	const frame = copyRequest(buffer, start, end);
	const packet = parse(frame, family === 5 ? 5 : 4) as IUnsubscribePacket;
	return { packetId: packet.messageId ?? 0, filters: packet.unsubscriptions };
}

/** Decodes a DISCONNECT from a client. @throws ProtocolError */
export function decodeDisconnect(
	buffer: Buffer,
	start: number,
	bodyStart: number,
	end: number,
	family: Family,
): Disconnect {
	checkDisconnect(buffer, start, bodyStart, end, family);
	const frame = copyOf(buffer, start, end);
	const packet = parse(frame, family === 5 ? 5 : 4) as IDisconnectPacket;
	return {
		reasonCode: packet.reasonCode ?? ReasonCode.Success,
		sessionExpirySeconds: packet.properties?.sessionExpiryInterval ?? -1,
		reasonString: packet.properties?.reasonString ?? null,
	};
}

/** Decodes an AUTH from a client; only version 5 has it. @throws ProtocolError */
export function decodeAuth(
	buffer: Buffer,
	start: number,
	bodyStart: number,
	end: number,
): Auth {
	checkAuth(buffer, start, bodyStart, end);
	const packet = parse(copyOf(buffer, start, end), 5) as IAuthPacket;
	const data = packet.properties?.authenticationData;
	return {
		reasonCode: packet.reasonCode,
		authenticationMethod: packet.properties?.authenticationMethod ?? null,
		authenticationData: data === undefined ? null : Buffer.from(data),
	};
}
