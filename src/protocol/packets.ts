import mqttPacket, {
	type IAuthPacket,
	type IDisconnectPacket,
	type IUnsubscribePacket,
	type Packet,
} from "mqtt-packet";
import { malformed } from "./bytes.ts";
import { requestFlags } from "./decode-subscribe.ts";
import type { Auth, Disconnect, Family, Unsubscribe } from "./messages.ts";
import { ReasonCode } from "./reason-codes.ts";
import { checkAuth, checkDisconnect, checkUnsubscribe } from "./strict.ts";

/**
 * Decoders for the packets that come seldom. `strict.ts` has the last word on what is
 * allowed, the mqtt-packet library turns the bytes into values, and what the library
 * loses (the order of properties) is taken from the bytes. Nothing that is returned
 * points into the buffer given.
 */

export { decodeConnect, peekProtocolLevel } from "./decode-connect.ts";
export { decodeSubscribe } from "./decode-subscribe.ts";
export { encodeConnack } from "./encode-connack.ts";
export {
	encodeAuth,
	encodeDisconnect,
} from "./encode-packets.ts";
export { encodeSuback, encodeUnsuback } from "./encode-suback.ts";

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

function copyRequest(buffer: Buffer, start: number, end: number): Buffer {
	const frame = copyOf(buffer, start, end);
	frame[0] = (frame[0] as number) & ~DUP;
	return frame;
}

/**
 * Decodes an UNSUBSCRIBE; its filters are only compared, so they are not checked.
 * @param dupAllowed the dialect lets a request be sent again with DUP (3.1)
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

const ordinaryDisconnect: Disconnect = Object.freeze({
	reasonCode: ReasonCode.Success,
	sessionExpirySeconds: -1,
	reasonString: null,
});

/** Decodes a DISCONNECT from a client. @throws ProtocolError */
export function decodeDisconnect(
	buffer: Buffer,
	start: number,
	bodyStart: number,
	end: number,
	family: Family,
): Disconnect {
	checkDisconnect(buffer, start, bodyStart, end, family);
	if (bodyStart === end) return ordinaryDisconnect;
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
