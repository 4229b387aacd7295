/** What is known and checked of a peer before it has said who it is. */
import { PacketType } from "../protocol/constants.ts";
import { ProtocolError } from "../protocol/protocol-error.ts";
import { ReasonCode } from "../protocol/reason-codes.ts";
import type { ByteStream } from "../transport/byte-stream.ts";
import { Connection } from "./connection.ts";
import { logRefused } from "./connection-log.ts";

/** `192.168.1.7:50312`, or the listener's name where there is no address. */
export function peerOf(stream: ByteStream): string {
	const { remoteAddress, remotePort, listener } = stream.info;
	if (remoteAddress === "") return listener;
	return remoteAddress.includes(":")
		? `[${remoteAddress}]:${remotePort}`
		: `${remoteAddress}:${remotePort}`;
}

/** A first packet that cannot become a CONNECT: no need to wait for the rest of it. */
export function checkFirstByte(connection: Connection, chunk: Buffer): void {
	if (connection.splitter.bufferedBytes > 0) return;
	const first = chunk[0] as number;
	if (first >> 4 === PacketType.Connect && first !== TLS_HANDSHAKE) return;
	throw new ProtocolError(ReasonCode.ProtocolError, describeStranger(chunk)); // [MQTT-3.1.0-1]
}

/** The first byte of every TLS connection; as a CONNECT it would have reserved flags set. */
const TLS_HANDSHAKE = 0x16;
const HTTP_METHODS = ["GET ", "POST", "PUT ", "HEAD", "OPTI", "CONN", "PRI "];

function describeStranger(chunk: Buffer): string {
	if (chunk[0] === TLS_HANDSHAKE) {
		return "TLS on a listener without TLS; switch it off in the client, or connect to a listener that has it";
	}
	if (HTTP_METHODS.includes(chunk.toString("latin1", 0, 4))) {
		return "HTTP on a listener for plain MQTT; WebSocket clients need the port of a listener.ws";
	}
	return "the first packet is not CONNECT; perhaps no MQTT client at all";
}

/** All peers that have not authenticated share one budget; when it is overdrawn the largest goes. */
export function checkUnauthenticated({ broker }: Connection): void {
	const { unauthenticated, connections } = broker;
	while (unauthenticated.used > unauthenticated.limit) {
		let largest: Connection | null = null;
		for (const each of connections) {
			if (!(each instanceof Connection) || !each.isUnauthenticated) continue;
			const bytes = each.splitter.bufferedBytes;
			if (bytes > (largest?.splitter.bufferedBytes ?? 0)) largest = each;
		}
		if (largest === null) return;
		logRefused(
			largest,
			"too much received from clients that are not authenticated; this one had sent the most",
			"unauthenticated_bytes",
		);
		largest.closeAfter(null);
	}
}
