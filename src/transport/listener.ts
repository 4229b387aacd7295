/**
 * What a listener is told by the configuration, the same for every transport.
 * Each transport takes the part it needs; `create-listener.ts` picks the class.
 */

import type { ByteBudget } from "../platform/byte-budget.ts";

export interface ListenerOptions {
	/** `tcp:default`, as in `listener.tcp.default`. */
	readonly name: string;
	readonly transport: "tcp" | "ws" | "unix";
	/**
	 * Where to listen; unused for unix sockets. With port 0 in the first entry the
	 * system chooses, and the other entries with port 0 get the same port.
	 */
	readonly addresses: readonly { host: string; port: number }[];
	/** Sockets that listen already, opened by systemd: used instead of addresses or path. */
	readonly descriptors?: readonly number[] | undefined;
	/** File of a unix socket, at most 107 bytes. */
	readonly path?: string | undefined;
	/** Open connections at once; one more is closed right after accept. */
	readonly maxConnections: number;
	/** Connections the system keeps waiting for accept. */
	readonly backlog: number;
	/** TCP_NODELAY: small packets leave at once. */
	readonly noDelay: boolean;
	/** Seconds of silence after which TCP probes the peer; 0 never probes. */
	readonly keepAliveSeconds: number;
	/** Paths that speak MQTT; `/mqtt` and `/` when absent. */
	readonly websocketPaths?: readonly string[] | undefined;
	/** Bytes; bounds a WebSocket message. The largest MQTT packet when absent. */
	readonly maxPacketSize?: number | undefined;
	/**
	 * Charged for WebSocket messages that have not arrived whole: they are gathered
	 * below the broker, which cannot count them. A client that finds it full is closed.
	 */
	readonly partialMessageBudget?: ByteBudget | undefined;
	/** Permissions of the unix socket file, 0o660 when absent. */
	readonly unixMode?: number | undefined;
}

/** The config key of a listener: `tcp:default` is set by `listener.tcp.default`. */
export function listenerKey({ name }: { readonly name: string }): string {
	return `listener.${name.replace(":", ".")}`;
}
