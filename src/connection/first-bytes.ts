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
	if ((chunk[0] as number) >> 4 === PacketType.Connect) return;
	throw new ProtocolError(
		ReasonCode.ProtocolError,
		"the first packet is not CONNECT; perhaps no MQTT client at all, or TLS on a plain port",
	); // [MQTT-3.1.0-1]
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
