/** The connections of a run: made so many at a time, counted, kept alive, closed. */
import { readFileSync } from "node:fs";
import type { ConnectRequest } from "../../protocol/client-packets.ts";
import type { Family } from "../../protocol/messages.ts";
import { BenchConnection } from "./bench-connection.ts";
import {
	ConnectionFailure,
	type ConnectionOwner,
	ReadBuffer,
} from "./connection-owner.ts";
import { Histogram } from "./histogram.ts";
import type { Scenario } from "./scenario.ts";
import { fill } from "./topics.ts";

const KEEP_ALIVE_SECONDS = 300;
const PING_MS = 100_000;
const CLOSE_MS = 3000;
/** The system has 28,000 ports for each address that it connects from. */
const PER_SOURCE_ADDRESS = 20_000;
const PERSISTENT_SECONDS = 3600;

export type Kind = "p" | "s" | "c";

export interface Credentials {
	readonly username: string | null;
	readonly password: string | null;
}

export interface JoinOptions {
	/** A connection that fails is counted, and no more. */
	readonly goesOn?: boolean;
	/** Whether sessions outlive connections; as the scenario says when absent. */
	readonly isPersistent?: boolean;
	prepare?(connection: BenchConnection): Promise<void>;
}

export class Crowd {
	readonly reading = new ReadBuffer();
	readonly connections: BenchConnection[] = [];
	readonly connectMicros = new Histogram();
	/** CONNACKs that said no, and connections that were not made. */
	refused = 0;
	/** The first of them, in words. */
	refusal = "";
	connectMs = 0;
	readonly #scenario: Scenario;
	readonly #credentials: Credentials;
	readonly #signal: AbortSignal;
	readonly #run = Math.random().toString(36).slice(2, 8);
	readonly #pings: NodeJS.Timeout;

	constructor(
		scenario: Scenario,
		credentials: Credentials,
		signal: AbortSignal,
	) {
		this.#scenario = scenario;
		this.#credentials = credentials;
		this.#signal = signal;
		this.#pings = setInterval(() => {
			for (const connection of this.connections) connection.ping();
		}, PING_MS);
		signal.addEventListener("abort", () => {
			// Who waits for an answer still is not waited for.
			for (const connection of this.connections)
				if (!connection.isOpen) connection.destroy();
		});
	}

	get family(): Family {
		return this.#scenario.mqtt === "5" ? 5 : 3;
	}

	/** Connections that are open now. */
	get open(): number {
		return this.connections.reduce(
			(count, { isOpen }) => count + (isOpen ? 1 : 0),
			0,
		);
	}

	/**
	 * Connects clients of one kind.
	 * @param prepare what each does once it is connected, before the next takes its place
	 * @returns those that were begun before the end of the run
	 * @throws ConnectionFailure the first, unless `goesOn`
	 */
	async join(
		count: number,
		kind: Kind,
		owner: ConnectionOwner,
		options: JoinOptions = {},
	): Promise<BenchConnection[]> {
		const { concurrency, connect_rate } = this.#scenario;
		const joined: BenchConnection[] = [];
		const began = performance.now();
		const isPersistent = options.isPersistent ?? this.#scenario.persistent;
		let next = 0;
		const work = async () => {
			while (next < count && !this.#signal.aborted) {
				const index = next++;
				if (connect_rate > 0)
					await this.#until(began + (index * 1000) / connect_rate);
				if (this.#signal.aborted) return;
				const connection = this.#make(index, kind, owner);
				joined[index] = connection;
				try {
					await this.#open(connection, isPersistent);
					await options.prepare?.(connection);
				} catch (error) {
					connection.destroy();
					if (this.#signal.aborted) return;
					this.#count(error);
					// A broker that does not answer is not waited for once more by each.
					if (options.goesOn !== true || connection.isLate) next = count;
					if (options.goesOn !== true) throw error;
				}
			}
		};
		await Promise.all(
			Array.from({ length: Math.min(concurrency, count) }, work),
		);
		this.connectMs += performance.now() - began;
		return joined;
	}

	/** All say goodbye; who does not get an answer is cut off. */
	async leave(): Promise<void> {
		clearInterval(this.#pings);
		await this.dismiss(this.connections);
	}

	async dismiss(connections: readonly BenchConnection[]): Promise<void> {
		const timer = setTimeout(() => {
			for (const connection of connections) connection.destroy();
		}, CLOSE_MS);
		await Promise.all(connections.map((connection) => connection.close()));
		clearTimeout(timer);
	}

	#make(index: number, kind: Kind, owner: ConnectionOwner): BenchConnection {
		const { client_id, host, port, unix } = this.#scenario;
		const values = { i: index, k: kind, r: this.#run };
		const connection = new BenchConnection(
			index,
			fill(client_id, values),
			{ host, port, path: unix },
			this.family,
			this.reading,
			owner,
			unix === "" ? this.#sourceAddress() : undefined,
		);
		this.connections.push(connection);
		return connection;
	}

	/** Of 127.0.0.0/8 each address has ports of its own. */
	#sourceAddress(): string | undefined {
		const number = Math.floor(this.connections.length / PER_SOURCE_ADDRESS);
		return number === 0 || !this.#scenario.host.startsWith("127.")
			? undefined
			: `127.0.${1 + (number >> 8)}.${number & 0xff}`;
	}

	async #open(
		connection: BenchConnection,
		isPersistent: boolean,
	): Promise<void> {
		const began = performance.now();
		const request: ConnectRequest = {
			family: this.family,
			clientId: connection.clientId,
			cleanStart: !isPersistent,
			keepAliveSeconds: KEEP_ALIVE_SECONDS,
			sessionExpirySeconds: isPersistent ? PERSISTENT_SECONDS : 0,
			...this.#credentials,
		};
		await connection.open(request);
		this.connectMicros.add((performance.now() - began) * 1000);
	}

	#count(error: unknown): void {
		if (!(error instanceof ConnectionFailure)) throw error;
		this.refused++;
		this.refusal ||= error.message;
	}

	async #until(atMs: number): Promise<void> {
		const left = atMs - performance.now();
		if (left > 1) await new Promise((done) => setTimeout(done, left));
	}
}

/**
 * From a file of two lines, else from MQTT_USERNAME and MQTT_PASSWORD; never from the command
 * line, which every user of the machine can read.
 * @throws Error of the system when the file cannot be read
 */
export function readCredentials(
	file: string,
	env: NodeJS.ProcessEnv,
): Credentials {
	const { MQTT_USERNAME: username = null, MQTT_PASSWORD: password = null } =
		env;
	if (file === "") return { username, password };
	const [first = "", second] = readFileSync(file, "utf8").split(/\r?\n/);
	return {
		username: first,
		password: second === undefined || second === "" ? null : second,
	};
}
