/**
 * From an accepted socket to a ByteStream, for TCP and unix listeners.
 */

import type { Socket } from "node:net";
import type { Admission } from "./admission.ts";
import type { Accept, StreamInfo, TransportName } from "./byte-stream.ts";
import { SocketStream } from "./socket-stream.ts";

/** Admits the socket or closes it. It must come from a server with `pauseOnConnect`. */
export function acceptSocket(
	socket: Socket,
	transport: TransportName,
	listener: string,
	admission: Admission,
	accept: Accept,
): void {
	if (!admission.mayEnter(socket)) {
		socket.destroy();
		return;
	}
	const adopted = adopt(socket);
	admission.enter(adopted);
	accept(new SocketStream(adopted, describePeer(adopted, transport, listener)));
}

/**
 * Moves the handle into a socket that reads into the shared buffer: `net.Server` has
 * no option for it. A socket without a handle (it failed meanwhile) stays as it is.
 */
function adopt(socket: Socket): Socket {
	const shell = socket as unknown as { _handle: object | null };
	const handle = shell._handle;
	if (!handle) return socket;
	shell._handle = null;
	const adopted = SocketStream.adoptHandle(handle);
	socket.destroy(); // only the empty shell: its server stops counting it
	return adopted;
}

export function describePeer(
	socket: Socket,
	transport: TransportName,
	listener: string,
): StreamInfo {
	const address = socket.remoteAddress ?? "";
	const remoteAddress = address.startsWith("::ffff:")
		? address.slice("::ffff:".length)
		: address;
	return {
		transport,
		listener,
		remoteAddress,
		remotePort: socket.remotePort ?? 0,
		isLoopback: transport === "unix" || isLoopbackAddress(remoteAddress),
	};
}

function isLoopbackAddress(address: string): boolean {
	return address.startsWith("127.") || address === "::1";
}
