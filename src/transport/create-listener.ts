/** The one place that knows which class serves which transport. */

import type { Accept, Listener } from "./byte-stream.ts";
import type { ListenerOptions } from "./listener.ts";
import { TcpListener } from "./tcp.ts";
import { UnixListener } from "./unix.ts";
import { WebSocketListener } from "./websocket.ts";

/** Makes a listener that does not listen yet. `log` gets sentences without a level or a prefix. */
export function createListener(
	options: ListenerOptions,
	accept: Accept,
	log: (words: string) => void,
): Listener {
	switch (options.transport) {
		case "tcp":
			return new TcpListener(options, accept, log);
		case "ws":
			return new WebSocketListener(options, accept, log);
		case "unix":
			return new UnixListener(options, accept, log);
	}
}
