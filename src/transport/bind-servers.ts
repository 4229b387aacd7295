/**
 * Opens one server per address of a listener, all on one port where the system
 * chooses it. Either at least one address listens, or nothing is left open.
 */

import { type AddressInfo, isIPv6, type Server } from "node:net";
import { openEarlySocket } from "../platform/early-socket.ts";
import { explainListenError, formatAddress } from "./listen-error.ts";
import { type ListenerOptions, listenerKey } from "./listener.ts";

export interface BoundServers {
	readonly servers: readonly Server[];
	/** `127.0.0.1:1883`, `[::1]:1883` */
	readonly addresses: readonly string[];
	/** The same, as the system has them. */
	readonly places: readonly AddressInfo[];
	/** The port of the first address. */
	readonly port: number;
}

export const NOTHING_BOUND: BoundServers = {
	servers: [],
	addresses: [],
	places: [],
	port: 0,
};

/** A port that the system chose on one address may be taken on the next. */
const PORT_CHOICES = 5;

/** @throws Error in words, see {@link explainListenError} */
export async function bindServers(
	options: ListenerOptions,
	createServer: () => Server,
	log: (words: string) => void,
): Promise<BoundServers> {
	const { descriptors = [] } = options;
	if (descriptors.length > 0)
		return adoptServers(options, descriptors, createServer);
	const chooses = options.addresses[0]?.port === 0;
	for (let choice = 1; ; choice++) {
		const attempt = new BindAttempt(options, createServer, log);
		const failure = await attempt.run();
		if (failure === null) return attempt;
		await closeServers(attempt.servers);
		const { error, host, port } = failure;
		if (chooses && error.code === "EADDRINUSE" && choice < PORT_CHOICES)
			continue;
		throw await explainListenError(error, options, host, port);
	}
}

/** Stops accepting; resolves when the addresses are free. Open connections stay. */
export async function closeServers(servers: readonly Server[]): Promise<void> {
	for (const server of servers) server.close();
	// The handles are closed at once; their close callbacks run in the next turn.
	await new Promise((resolve) => setImmediate(resolve));
}

/** Listens on sockets that are open already. */
async function adoptServers(
	options: ListenerOptions,
	descriptors: readonly number[],
	createServer: () => Server,
): Promise<BoundServers> {
	const servers: Server[] = [];
	const places: AddressInfo[] = [];
	try {
		for (const descriptor of descriptors) {
			const server = createServer();
			await adopt(server, descriptor, options);
			servers.push(server);
			const place = server.address();
			if (place === null || typeof place === "string")
				throw notListening(options, "it is no TCP socket");
			places.push(place);
		}
	} catch (error) {
		await closeServers(servers);
		throw error;
	}
	const addresses = places.map(({ address, port }) =>
		formatAddress(address, port),
	);
	return { servers, places, addresses, port: places[0]?.port ?? 0 };
}

/** @throws Error in words */
export function adopt(
	server: Server,
	descriptor: number,
	options: ListenerOptions,
): Promise<void> {
	return new Promise((resolve, reject) => {
		const fail = (error: NodeJS.ErrnoException) =>
			reject(notListening(options, error.message, error));
		server.once("error", fail);
		try {
			server.listen({ fd: descriptor, backlog: options.backlog }, () => {
				server.removeListener("error", fail);
				resolve();
			});
		} catch (error) {
			fail(error as NodeJS.ErrnoException);
		}
	});
}

function notListening(
	options: ListenerOptions,
	why: string,
	cause?: Error,
): Error {
	return new Error(
		`${listenerKey(options)} cannot use the socket that systemd has handed over: ${why}; look at ListenStream= of its .socket unit`,
		{ cause },
	);
}

interface Failure {
	readonly error: NodeJS.ErrnoException;
	readonly host: string;
	readonly port: number;
}

class BindAttempt implements BoundServers {
	readonly servers: Server[] = [];
	readonly addresses: string[] = [];
	readonly places: AddressInfo[] = [];
	port = 0;
	readonly #options: ListenerOptions;
	readonly #createServer: () => Server;
	readonly #log: (words: string) => void;

	constructor(
		options: ListenerOptions,
		createServer: () => Server,
		log: (words: string) => void,
	) {
		this.#options = options;
		this.#createServer = createServer;
		this.#log = log;
	}

	/** @returns what went wrong, or null when at least one address listens */
	async run(): Promise<Failure | null> {
		const skipped: Failure[] = [];
		for (const address of this.#options.addresses) {
			const port = address.port === 0 ? this.port : address.port;
			const { server, error } = await this.#listen(address.host, port);
			if (error === null) {
				this.servers.push(server);
				const place = server.address() as AddressInfo;
				if (this.servers.length === 1) this.port = place.port;
				this.places.push(place);
				this.addresses.push(formatAddress(address.host, place.port));
			} else if (isIPv6(address.host) && isMissing(error)) {
				skipped.push({ error, host: address.host, port });
			} else {
				return { error, host: address.host, port };
			}
		}
		if (this.servers.length === 0 && skipped[0] !== undefined)
			return skipped[0];
		for (const { host, port } of skipped) {
			this.#log(
				`${this.#options.name} does not listen on ${formatAddress(host, port)}: this machine has no such IPv6 address`,
			);
		}
		return null;
	}

	async #listen(host: string, port: number): Promise<Attempt> {
		const { backlog, name } = this.#options;
		const server = this.#createServer();
		const error = await listen(server, host, port, backlog);
		if (error?.code !== "EADDRNOTAVAIL" || isLoopback(host))
			return { server, error };
		const descriptor = openEarlySocket(host, port, backlog);
		if (descriptor < 0) return { server, error };
		const early = this.#createServer();
		await adopt(early, descriptor, this.#options);
		this.#log(
			`${name} listens on ${host}, an address that this machine does not have now: clients reach it there once it has (${listenerKey(this.#options)})`,
		);
		return { server: early, error: null };
	}
}

interface Attempt {
	readonly server: Server;
	readonly error: NodeJS.ErrnoException | null;
}

/** An address that no network brings. */
function isLoopback(host: string): boolean {
	return host === "::1" || host.startsWith("127.");
}

function isMissing(error: NodeJS.ErrnoException): boolean {
	return error.code === "EADDRNOTAVAIL" || error.code === "EAFNOSUPPORT";
}

function listen(
	server: Server,
	host: string,
	port: number,
	backlog: number,
): Promise<NodeJS.ErrnoException | null> {
	return new Promise((resolve) => {
		const fail = (error: NodeJS.ErrnoException) => resolve(error);
		server.once("error", fail);
		// Otherwise [::] would take the IPv4 port as well, which is an address of its own here.
		const ipv6Only = isIPv6(host);
		server.listen({ host, port, backlog, ipv6Only, exclusive: true }, () => {
			server.removeListener("error", fail);
			resolve(null);
		});
	});
}
