/**
 * MQTT over WebSocket: an HTTP server that does nothing but upgrade on the paths of
 * MQTT and tells everybody else in a sentence what this port is.
 *
 * Counts a connection from accept on, so that clients in the middle of a handshake
 * have no slots of their own.
 */

import {
	createServer,
	type IncomingMessage,
	type Server,
	type ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { ServerOptions, WebSocket, WebSocketServer } from "ws";
import { MAX_REMAINING_LENGTH } from "../protocol/constants.ts";
import { describePeer } from "./accept-socket.ts";
import { Admission } from "./admission.ts";
import {
	type BoundServers,
	bindServers,
	closeServers,
	NOTHING_BOUND,
} from "./bind-servers.ts";
import type { Accept, Door, Listener, StreamInfo } from "./byte-stream.ts";
import type { ListenerOptions } from "./listener.ts";
import { RateLimitedLog } from "./rate-limited-log.ts";
import { LINGER_MS } from "./socket-stream.ts";
import { WebSocketStream } from "./websocket-stream.ts";

const DEFAULT_PATHS = ["/mqtt", "/"];

/** Subprotocols in the order they are chosen; "mqtt" is the standard's, the others are older clients'. */
const SUBPROTOCOLS = ["mqtt", "mqttv3.1.1", "mqttv3.1"];

/** A message may hold several packets; room beyond one packet of the largest size. */
const MESSAGE_SLACK_BYTES = 64 * 1024;

/** Bounds for a client that has not finished its HTTP head. */
export interface HandshakeLimits {
	/** Milliseconds from accept to the end of the HTTP head. */
	readonly timeoutMs: number;
	/** Milliseconds between two looks for clients that are too late. */
	readonly checkIntervalMs: number;
}

const HANDSHAKE_LIMITS: HandshakeLimits = {
	timeoutMs: 10_000,
	checkIntervalMs: 5_000,
};
const MAX_HEAD_BYTES = 8 * 1024;

/** `closeTimeout` is newer than the library's type declarations. */
type WebSocketOptions = ServerOptions & { closeTimeout: number };

export class WebSocketListener implements Listener {
	readonly name: string;
	readonly transport = "ws"; // [MQTT-4.2-1]
	readonly #options: ListenerOptions;
	readonly #paths: readonly string[];
	readonly #accept: Accept;
	readonly #log: (words: string) => void;
	readonly #refusals: RateLimitedLog;
	readonly #limits: HandshakeLimits;
	readonly #admission: Admission;
	/** The library is loaded for the first client that comes: many brokers see none. */
	#upgrader: Promise<WebSocketServer> | null = null;
	#bound: BoundServers = NOTHING_BOUND;
	#servers: Server[] = [];

	constructor(
		options: ListenerOptions,
		accept: Accept,
		log: (words: string) => void,
		limits: HandshakeLimits = HANDSHAKE_LIMITS,
	) {
		this.name = options.name;
		this.#options = options;
		this.#paths = options.websocketPaths ?? DEFAULT_PATHS;
		this.#accept = accept;
		this.#log = log;
		this.#refusals = new RateLimitedLog(log);
		this.#limits = limits;
		this.#admission = new Admission(options, log);
	}

	get addresses(): readonly string[] {
		return this.#bound.addresses;
	}

	get port(): number {
		return this.#bound.port;
	}

	get doors(): readonly Door[] {
		return this.#admission.knocks.doorsOf(this.#bound.places);
	}

	get connections(): number {
		return this.#admission.connections;
	}

	/** Connections closed at once because a limit was reached. */
	get refused(): number {
		return this.#admission.refused;
	}

	async start(): Promise<void> {
		this.#bound = await bindServers(
			this.#options,
			() => this.#createServer(),
			this.#log,
		);
		for (const server of this.#bound.servers) {
			server.on("error", (error) => this.#admission.acceptFailed(error));
		}
	}

	async stop(): Promise<void> {
		const { servers } = this.#bound;
		this.#bound = NOTHING_BOUND;
		this.#admission.knocks.stop();
		await closeServers(servers);
		// Clients in the middle of a handshake; WebSockets are no longer the server's.
		for (const server of this.#servers) server.closeAllConnections();
		this.#servers = [];
	}

	async #loadUpgrader(): Promise<WebSocketServer> {
		const { maxPacketSize = MAX_REMAINING_LENGTH } = this.#options;
		const options: WebSocketOptions = {
			noServer: true,
			clientTracking: false,
			perMessageDeflate: false,
			autoPong: false,
			closeTimeout: LINGER_MS,
			maxPayload: maxPacketSize + MESSAGE_SLACK_BYTES,
			handleProtocols: (offered) => chooseSubprotocol(offered) ?? false,
		};
		const { WebSocketServer } = await import("ws");
		return new WebSocketServer(options);
	}

	#createServer(): Server {
		const { noDelay, keepAliveSeconds } = this.#options;
		const server = createServer({
			noDelay,
			keepAlive: keepAliveSeconds > 0,
			keepAliveInitialDelay: keepAliveSeconds * 1000,
			maxHeaderSize: MAX_HEAD_BYTES,
			headersTimeout: this.#limits.timeoutMs,
			requestTimeout: this.#limits.timeoutMs,
			connectionsCheckingInterval: this.#limits.checkIntervalMs,
		});
		this.#servers.push(server);
		server.on("connection", (socket) => this.#onConnection(socket));
		server.on("request", (request, response) =>
			this.#answer(request, response),
		);
		server.on("clientError", (error, socket) =>
			this.#noHttp(error, socket as Socket),
		);
		server.on("upgrade", (request, socket, head) =>
			this.#upgrade(request, socket, head),
		);
		return server;
	}

	#onConnection(socket: Socket): void {
		if (this.#admission.mayEnter(socket)) this.#admission.enter(socket);
		else socket.destroy();
	}

	/** A request that does not ask for a WebSocket: most likely a person with a browser. */
	#answer(request: IncomingMessage, response: ServerResponse): void {
		const { status, words } = this.#refusal(request);
		response.writeHead(status, {
			"Content-Type": "text/plain; charset=utf-8",
			"Content-Length": Buffer.byteLength(words),
			Connection: status === 426 ? "close, upgrade" : "close",
			...(status === 426 && { Upgrade: "websocket" }),
		});
		response.end(words);
	}

	#refusal(request: IncomingMessage): { status: number; words: string } {
		const path = pathOf(request);
		if (this.#paths.includes(path)) {
			return {
				status: 426,
				words: `This is an MQTT over WebSocket port: connect to it with an MQTT client, ws://HOST:${request.socket.localPort}${path}\n`,
			};
		}
		return {
			status: 404,
			words: `There is nothing at this path. MQTT over WebSocket is at ${this.#paths.join(" and ")}\n`,
		};
	}

	#upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
		socket.on("error", ignore); // the close that follows is all that matters here
		const asks = request.headers.upgrade?.toLowerCase() === "websocket";
		if (!asks || !this.#paths.includes(pathOf(request))) {
			const { status, words } = this.#refusal(request);
			this.#logRefused(
				request.socket,
				`asks for the path ${JSON.stringify(pathOf(request).slice(0, 100))}; MQTT is at ${this.#paths.join(" and ")}`,
			);
			refuse(socket, status, words);
			return;
		}
		const offered = request.headers["sec-websocket-protocol"];
		if (offered !== undefined && !offersMqtt(offered)) {
			this.#logRefused(
				request.socket,
				`offers the WebSocket subprotocol ${JSON.stringify(offered.slice(0, 100))}, not "mqtt"`,
			);
			refuse(
				socket,
				400,
				`This port speaks MQTT: offer the WebSocket subprotocol "mqtt", not "${offered.slice(0, 100)}"\n`,
			);
			return;
		}
		this.#upgrader ??= this.#loadUpgrader();
		void this.#upgrader.then((upgrader) =>
			upgrader.handleUpgrade(request, socket, head, (ws) =>
				this.#opened(ws, socket as Socket, request.headers.origin),
			),
		);
	}

	/** What is no HTTP at all, most likely MQTT over plain TCP or TLS; or too long, or too slow. */
	#noHttp(error: NodeJS.ErrnoException, socket: Socket): void {
		const { code = "" } = error;
		if (code.startsWith("HPE_") && code !== "HPE_HEADER_OVERFLOW") {
			this.#logRefused(
				socket,
				"does not speak HTTP; this port is for MQTT over WebSocket (ws://), not for mqtt:// or TLS",
			);
		}
		if (!socket.writable || socket.bytesWritten > 0) socket.destroy();
		else refuse(socket, ERROR_STATUS[code] ?? 400, "");
	}

	#logRefused(socket: Socket, words: string): void {
		const { remoteAddress, remotePort } = socket;
		this.#refusals.write(
			`${this.name} refused a client from ${remoteAddress} port ${remotePort}: it ${words}`,
		);
	}

	#opened(ws: WebSocket, socket: Socket, origin: string | undefined): void {
		socket.setNoDelay(this.#options.noDelay); // the library always sets it
		socket.removeListener("error", ignore);
		this.#accept(
			new WebSocketStream(
				ws,
				socket,
				withOrigin(describePeer(socket, "ws", this.name), origin),
				this.#options.partialMessageBudget ?? null,
			),
		);
	}
}

function ignore(): void {}

/**
 * A browser on this machine runs pages from anywhere, and each could reach the port: a
 * page counts as local only when it was served by this machine.
 */
function withOrigin(info: StreamInfo, origin: string | undefined): StreamInfo {
	if (origin === undefined || !info.isLoopback) return info;
	return { ...info, isLoopback: isLocalOrigin(origin) };
}

function isLocalOrigin(origin: string): boolean {
	if (!URL.canParse(origin)) return false; // "null": a file or a sandboxed page
	const { hostname } = new URL(origin);
	return LOCAL_HOSTS.has(hostname);
}

function pathOf(request: IncomingMessage): string {
	const url = request.url ?? "/";
	const query = url.indexOf("?");
	return query < 0 ? url : url.slice(0, query);
}

function chooseSubprotocol(offered: ReadonlySet<string>): string | undefined {
	return SUBPROTOCOLS.find((name) => offered.has(name)); // [MQTT-6.0.0-4]
}

function offersMqtt(header: string): boolean {
	const offered = new Set(header.split(",").map((name) => name.trim()));
	return chooseSubprotocol(offered) !== undefined; // [MQTT-6.0.0-3]
}

const LOCAL_HOSTS: ReadonlySet<string> = new Set([
	"localhost",
	"127.0.0.1",
	"[::1]",
]);

const STATUS_WORDS: Readonly<Record<number, string>> = {
	400: "Bad Request",
	404: "Not Found",
	408: "Request Timeout",
	426: "Upgrade Required",
	431: "Request Header Fields Too Large",
};

/** What the HTTP server itself answers to a request that it cannot read; else 400. */
const ERROR_STATUS: Readonly<Record<string, number>> = {
	HPE_HEADER_OVERFLOW: 431,
	ERR_HTTP_REQUEST_TIMEOUT: 408,
};

/** Answers on a socket that the HTTP server has let go of, then closes it. */
function refuse(socket: Duplex, status: number, words: string): void {
	const upgrade = status === 426 ? "Upgrade: websocket\r\n" : "";
	socket.end(
		`HTTP/1.1 ${status} ${STATUS_WORDS[status]}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(words)}\r\n${upgrade}Connection: close\r\n\r\n${words}`,
	);
	(socket as Socket).destroySoon();
}
