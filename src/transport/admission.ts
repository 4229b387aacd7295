/**
 * Decides whether a listener takes one more connection, and counts those it has.
 * Shared by all transports; one per listener. Main thread only.
 */

import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { type Clock, systemClock } from "../platform/clock.ts";
import { Knocks } from "./knocks.ts";
import { type ListenerOptions, listenerKey } from "./listener.ts";
import { RateLimitedLog } from "./rate-limited-log.ts";

/**
 * File descriptors kept for the database, the log and the admin socket. The system
 * closes what it cannot give a descriptor without a word, so the broker stops before.
 */
const RESERVED_DESCRIPTORS = 16;

const kAdmission = Symbol("admission");
type CountedSocket = Socket & { [kAdmission]: Admission };

export class Admission {
	/** Open connections. */
	connections = 0;
	/** Connections closed right after accept since the listener was made. */
	refused = 0;
	/** Connections of the broker to itself. */
	readonly knocks = new Knocks();
	readonly #options: ListenerOptions;
	readonly #log: RateLimitedLog;
	readonly #descriptorLimit: number;

	/** @param descriptorLimit files this process may have open; read from the system when absent */
	constructor(
		options: ListenerOptions,
		log: (words: string) => void,
		clock: Clock = systemClock,
		descriptorLimit: number = readDescriptorLimit(),
	) {
		this.#options = options;
		this.#log = new RateLimitedLog(log, clock);
		this.#descriptorLimit = descriptorLimit;
	}

	/**
	 * @returns false when the socket is to be closed at once; that is counted and logged
	 * here, unless it was the broker itself that knocked
	 */
	mayEnter(socket: Socket): boolean {
		if (this.knocks.isAwaited && this.knocks.answer(socket)) return false;
		const { name, maxConnections } = this.#options;
		if (this.connections >= maxConnections) {
			this.refused++;
			this.#log.write(
				`${name} has ${this.connections} connections, all that ${listenerKey(this.#options)}.max_connections allows; closed a new one${from(socket)}`,
			);
			return false;
		}
		if (descriptorOf(socket) >= this.#descriptorLimit - RESERVED_DESCRIPTORS) {
			this.refused++;
			this.#log.write(
				`${name} closed a new connection${from(socket)}: nearly all ${this.#descriptorLimit} file descriptors are in use; raise LimitNOFILE= in the service, or ulimit -n in the shell`,
			);
			return false;
		}
		return true;
	}

	/** Counts an accepted socket until it is closed. */
	enter(socket: Socket): void {
		this.connections++;
		(socket as CountedSocket)[kAdmission] = this;
		socket.once("close", leave);
	}

	/** An error of accept(): the listener goes on. */
	acceptFailed(error: NodeJS.ErrnoException): void {
		const hint =
			error.code === "EMFILE" || error.code === "ENFILE"
				? "; too many files are open: raise LimitNOFILE= in the service, or ulimit -n in the shell"
				: "";
		this.#log.write(
			`${this.#options.name} could not accept a connection: ${error.message}${hint}`,
		);
	}
}

function leave(this: Socket): void {
	(this as CountedSocket)[kAdmission].connections--;
}

function from(socket: Socket): string {
	return socket.remoteAddress ? ` from ${socket.remoteAddress}` : "";
}

function descriptorOf(socket: Socket): number {
	const handle = (socket as unknown as { _handle?: { fd?: number } | null })
		._handle;
	return handle?.fd ?? -1;
}

/** The soft limit of open files; Infinity when the system does not tell. */
function readDescriptorLimit(): number {
	try {
		const limits = readFileSync("/proc/self/limits", "latin1");
		const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
		return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
	} catch {
		return Number.POSITIVE_INFINITY;
	}
}
