/**
 * What a transport hands to the broker: an accepted connection, before MQTT.
 *
 * Upward calls go through {@link StreamHandler}, which `Connection` implements.
 * Everything runs on the main thread, inside one socket event.
 */

export type TransportName = "tcp" | "ssl" | "ws" | "wss" | "unix" | "local";

export interface StreamInfo {
	readonly transport: TransportName;
	/** `tcp:default`, as in `listener.tcp.default`. */
	readonly listener: string;
	/** Textual address without brackets; empty for unix and in-process streams. */
	readonly remoteAddress: string;
	/** 0 when there is none. */
	readonly remotePort: number;
	/** The peer is on this machine: loopback, unix socket, or in-process. */
	readonly isLoopback: boolean;
}

export interface StreamHandler {
	/**
	 * Bytes from the peer. `chunk` is borrowed: valid until this call returns, the
	 * memory is reused for the next read. Copy what must be kept.
	 */
	onData(chunk: Buffer): void;
	/** All that was written has been taken by the system; called only after a write returned false. */
	onDrain(): void;
	/** The peer has finished sending, or the stream failed. Called exactly once, last. */
	onClose(error: Error | null): void;
}

export interface ByteStream {
	readonly info: StreamInfo;
	/** Bytes handed over by {@link write} that the system has not taken yet. */
	readonly pendingBytes: number;
	/**
	 * Bounds what the transport itself gathers before it hands anything over (a WebSocket
	 * message); beyond it, give or take one read, the stream is closed. Bytes.
	 */
	limitGathering(bytes: number): void;
	/** Must be set before the current event-loop turn ends; replaces the earlier one. */
	setHandler(handler: StreamHandler): void;
	/**
	 * Sends all buffers in order with one system call where the platform can.
	 * The stream owns them until `pendingBytes` is 0 again.
	 * @returns true when everything was taken at once (the buffers may be reused)
	 */
	write(buffers: readonly Buffer[]): boolean;
	/** Stops reading; data that was already read may still arrive in one `onData`. */
	pause(): void;
	resume(): void;
	/** Sends what is pending, then closes. */
	end(): void;
	/** Closes now, whatever is pending. */
	destroy(): void;
}

/** One address of a listener. */
export interface Door {
	/** `127.0.0.1:1883`, or the path of a unix socket. */
	readonly address: string;
	/**
	 * Connects to it and resolves when the listener has accepted that very connection,
	 * which then is closed, not counted and not logged.
	 */
	knock(): Promise<void>;
}

export interface Listener {
	/** `tcp:default` */
	readonly name: string;
	readonly transport: TransportName;
	/** Addresses in use as text, with the port really bound: `127.0.0.1:1883`. */
	readonly addresses: readonly string[];
	/** The port really bound (port 0 asks the system for a free one); 0 for unix sockets. */
	readonly port: number;
	readonly connections: number;
	/** Its addresses as the broker itself can try them; none where it cannot. */
	readonly doors: readonly Door[];
	/** Begins to accept. @throws Error in words a person can act on, naming who holds the port where the system tells */
	start(): Promise<void>;
	/** Stops accepting; open connections stay. */
	stop(): Promise<void>;
}

/** Called for every accepted connection. */
export type Accept = (stream: ByteStream) => void;
