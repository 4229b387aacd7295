/**
 * From an accepted socket to a ByteStream, for TCP and unix listeners.
 */

import type { Server, Socket } from "node:net";
import type { Admission } from "./admission.ts";
import type { Accept, StreamInfo, TransportName } from "./byte-stream.ts";
import { SocketStream } from "./socket-stream.ts";

/** What listeners of one transport have in common for all they accept. */
export interface Entrance {
	readonly transport: TransportName;
	readonly listener: string;
	readonly admission: Admission;
	readonly accept: Accept;
	/** TCP only. */
	readonly noDelay?: boolean;
	/** Seconds of silence after which the system asks whether the peer is there; 0 for never. */
	readonly keepAliveSeconds?: number;
}

/** What Node has behind a listening socket and an accepted one. */
interface ListeningHandle {
	onconnection: (this: object, status: number, accepted?: object) => void;
	setNoDelay?(on: boolean): number;
	setKeepAlive?(on: boolean, seconds: number): number;
}

/**
 * Lets in what the server accepts. `net.Server` would make a Socket of each handle, which
 * has no use here: its reads cannot go to the shared buffer. So the handle is taken
 * before, which saves a third of the cost of an accept.
 * @param server with `pauseOnConnect`; not listening yet
 */
export function openEntrance(server: Server, entrance: Entrance): void {
	server.on("connection", (socket) => adoptFrom(socket, entrance));
	server.on("listening", () => {
		const { _handle: handle } = server as unknown as {
			_handle: ListeningHandle | null;
		};
		const usual = handle?.onconnection;
		if (!usual || !setForAll(handle, entrance)) return;
		handle.onconnection = function (status, accepted) {
			if (status === 0 && accepted) enter(accepted, entrance);
			else usual.call(this, status, accepted);
		};
	});
}

/**
 * Sets on the listening socket what each accepted one is to have, which inherits it:
 * that saves five system calls a connection.
 * @returns false where that cannot be done
 */
function setForAll(handle: ListeningHandle, entrance: Entrance): boolean {
	const { noDelay = false, keepAliveSeconds = 0 } = entrance;
	if (noDelay && handle.setNoDelay?.(true) !== 0) return false;
	return (
		keepAliveSeconds === 0 ||
		handle.setKeepAlive?.(true, keepAliveSeconds) === 0
	);
}

/** The way with a Socket of the server's, which is left empty: it then stops counting it. */
function adoptFrom(socket: Socket, entrance: Entrance): void {
	const shell = socket as unknown as { _handle: object | null };
	const handle = shell._handle;
	shell._handle = null;
	socket.destroy();
	if (handle) enter(handle, entrance); // without, it has failed meanwhile
}

/** Admits the connection or closes it. */
function enter(handle: object, entrance: Entrance): void {
	const { admission, transport, listener } = entrance;
	const socket = SocketStream.adoptHandle(handle);
	if (!admission.mayEnter(socket)) {
		socket.destroy();
		return;
	}
	admission.enter(socket);
	const info = describePeer(socket, transport, listener);
	entrance.accept(new SocketStream(socket, info));
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
