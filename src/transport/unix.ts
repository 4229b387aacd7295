/**
 * MQTT over a unix socket. A file left behind by a process that is gone is replaced;
 * one that somebody answers on, or that is no socket, is not touched.
 */

import { chmod } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { canAskPeer } from "../platform/peer-process.ts";
import { openEntrance } from "./accept-socket.ts";
import { Admission } from "./admission.ts";
import { adopt, closeServers } from "./bind-servers.ts";
import type { Accept, Door, Listener } from "./byte-stream.ts";
import { type ListenerOptions, listenerKey } from "./listener.ts";
import { clearSocketPath } from "./unix-socket-file.ts";

const DEFAULT_MODE = 0o660;

export class UnixListener implements Listener {
	readonly name: string;
	readonly transport = "unix";
	readonly port = 0;
	readonly #options: ListenerOptions;
	readonly #path: string;
	readonly #accept: Accept;
	readonly #admission: Admission;
	#server: Server | null = null;

	constructor(
		options: ListenerOptions,
		accept: Accept,
		log: (words: string) => void,
	) {
		this.name = options.name;
		this.#options = options;
		this.#path = options.path ?? "";
		this.#accept = accept;
		this.#admission = new Admission(options, log);
	}

	get addresses(): readonly string[] {
		return this.#server === null ? [] : [this.#path];
	}

	get doors(): readonly Door[] {
		return this.#server === null || !canAskPeer()
			? []
			: [this.#admission.knocks.doorOf(this.#path)];
	}

	get connections(): number {
		return this.#admission.connections;
	}

	/** Connections closed at once because a limit was reached. */
	get refused(): number {
		return this.#admission.refused;
	}

	async start(): Promise<void> {
		const key = listenerKey(this.#options);
		const [descriptor] = this.#options.descriptors ?? [];
		if (descriptor === undefined) await clearSocketPath(this.#path, key);
		const server = createServer({ pauseOnConnect: true });
		openEntrance(server, {
			transport: this.transport,
			listener: this.name,
			admission: this.#admission,
			accept: this.#accept,
		});
		if (descriptor === undefined)
			await listen(server, this.#path, this.#options.backlog, key);
		else await adopt(server, descriptor, this.#options);
		server.on("error", (error) => this.#admission.acceptFailed(error));
		this.#server = server;
		if (descriptor !== undefined) return; // its file is systemd's
		try {
			// Until here the umask applies, which lets nobody else write, so nobody else connect.
			await chmod(this.#path, this.#options.unixMode ?? DEFAULT_MODE);
		} catch (cause) {
			await this.stop();
			throw new Error(`cannot set the mode of ${this.#path} (${key})`, {
				cause,
			});
		}
	}

	async stop(): Promise<void> {
		const server = this.#server;
		this.#server = null;
		this.#admission.knocks.stop();
		if (server !== null) await closeServers([server]);
	}
}

function listen(
	server: Server,
	path: string,
	backlog: number,
	key: string,
): Promise<void> {
	return new Promise((resolve, reject) => {
		const fail = (error: NodeJS.ErrnoException) =>
			reject(
				new Error(`cannot listen on ${path} (${key}): ${error.message}`, {
					cause: error,
				}),
			);
		server.once("error", fail);
		server.listen({ path, backlog }, () => {
			server.removeListener("error", fail);
			resolve();
		});
	});
}
