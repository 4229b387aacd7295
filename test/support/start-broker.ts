/** A whole broker inside the test's process: no ports, a clock that the test moves. */
import { type Duplex, duplexPair } from "node:stream";
import type { Test } from "tap";
import type { Broker } from "../../src/broker/broker.ts";
import type { SafeMode } from "../../src/broker/safe-mode.ts";
import { RunningBroker } from "../../src/compose.ts";
import { loadConfig } from "../../src/config/config.ts";
import { Connection } from "../../src/connection/connection.ts";
import { LastingClock } from "../../src/platform/lasting-clock.ts";
import { Logger, levels } from "../../src/platform/logger.ts";
import type { Store } from "../../src/store/store.ts";
import type { StreamInfo } from "../../src/transport/byte-stream.ts";
import { SocketStream } from "../../src/transport/socket-stream.ts";
import { FakeClock } from "./fake-clock.ts";
import { LateStore } from "./late-store.ts";

export interface StartOptions {
	/** The store answers 0 to so many ms late, at random; 0 for at once. */
	readonly lateStoreMs?: number;
	/** Stands in for the store. */
	readonly store?: Store;
	readonly clock?: FakeClock;
	/** On `clock`; for a store that is given the same. */
	readonly lasting?: LastingClock;
	readonly safeMode?: SafeMode;
	/** What peers look like to the broker. */
	readonly info?: Partial<StreamInfo>;
	/** Sessions without a client that stay in memory; by default the others sleep beyond a thousand. */
	readonly awayInMemory?: number;
}

export interface TestBroker {
	readonly broker: Broker;
	readonly running: RunningBroker;
	readonly clock: FakeClock;
	readonly store: Store;
	/** Lines the broker logged. */
	readonly log: readonly string[];
	/** A new client's end of a connection. */
	open(info?: Partial<StreamInfo>): Duplex;
	stop(): Promise<void>;
}

let lastPort = 50_000;

/**
 * Starts a broker that ends with the test.
 * @param overrides config keys and their values as text
 */
export async function startBroker(
	t: Test,
	overrides: Record<string, string | number | boolean> = {},
	options: StartOptions = {},
): Promise<TestBroker> {
	const config = loadConfig({
		defaultFile: "/nonexistent/broker.conf",
		sets: Object.entries({ "admin.socket": "off", ...overrides }).map(
			([key, value]) => `${key}=${value}`,
		),
		env: {},
		underSystemd: false,
		fragments: [],
	});
	const clock = options.clock ?? new FakeClock();
	const lasting = options.lasting ?? new LastingClock(clock);
	const log: string[] = [];
	const logger = new Logger((line) => log.push(line), clock, {
		level: levels[2],
		classes: {},
		format: "text",
	});
	const store =
		options.store ??
		new LateStore({ maxDelayMs: options.lateStoreMs ?? 0, clock: lasting });
	const running = new RunningBroker({
		settings: config.settings,
		clock: lasting,
		log: logger,
		store,
		...(options.awayInMemory !== undefined && {
			awayInMemory: options.awayInMemory,
		}),
		...(options.safeMode && { safeMode: options.safeMode }),
	});
	await running.start();
	let stopped: Promise<void> | null = null;
	const stop = () => {
		stopped ??= running.stop();
		return stopped;
	};
	t.teardown(stop);
	const policy = config.listeners[0];
	if (policy === undefined) throw new Error("no listener is configured");
	const open = (info: Partial<StreamInfo> = {}): Duplex => {
		const [ours, theirs] = duplexPair();
		const stream = new SocketStream(ours, {
			transport: "tcp",
			listener: "tcp:default",
			remoteAddress: "127.0.0.1",
			remotePort: ++lastPort,
			isLoopback: true,
			...options.info,
			...info,
		});
		new Connection(running.broker, stream, policy);
		return theirs;
	};
	return { broker: running.broker, running, clock, store, log, open, stop };
}
