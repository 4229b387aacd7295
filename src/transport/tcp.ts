/**
 * MQTT over TCP: one listener on one or more addresses. Owns the listening sockets;
 * accepted ones belong to their streams.
 */

import { createServer, type Server } from "node:net";
import { openEntrance } from "./accept-socket.ts";
import { Admission } from "./admission.ts";
import {
	type BoundServers,
	bindServers,
	closeServers,
	NOTHING_BOUND,
} from "./bind-servers.ts";
import type { Accept, Door, Listener } from "./byte-stream.ts";
import type { ListenerOptions } from "./listener.ts";

export class TcpListener implements Listener {
	readonly name: string;
	readonly transport = "tcp"; // [MQTT-4.2-1]
	readonly #options: ListenerOptions;
	readonly #accept: Accept;
	readonly #log: (words: string) => void;
	readonly #admission: Admission;
	#bound: BoundServers = NOTHING_BOUND;

	constructor(
		options: ListenerOptions,
		accept: Accept,
		log: (words: string) => void,
	) {
		this.name = options.name;
		this.#options = options;
		this.#accept = accept;
		this.#log = log;
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
	}

	#createServer(): Server {
		const { noDelay, keepAliveSeconds } = this.#options;
		const server = createServer({
			pauseOnConnect: true,
			noDelay,
			keepAlive: keepAliveSeconds > 0,
			keepAliveInitialDelay: keepAliveSeconds * 1000,
		});
		openEntrance(server, {
			transport: this.transport,
			listener: this.name,
			admission: this.#admission,
			accept: this.#accept,
			noDelay,
			keepAliveSeconds,
		});
		return server;
	}
}
