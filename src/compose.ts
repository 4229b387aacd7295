/**
 * The composition root: from a loaded configuration to a running broker. The only
 * place that knows all parts; the parts do not know it.
 */
import { dirname, join } from "node:path";
import { Broker } from "./broker/broker.ts";
import {
	BrokerApi,
	type Extension,
	type Surroundings,
} from "./broker/broker-api.ts";
import { ClockWatch } from "./broker/clock-watch.ts";
import { memoryDatabaseLimit, memoryLimit } from "./broker/memory-plan.ts";
import { type RamPlace, RamState } from "./broker/ram-state.ts";
import type { SafeMode } from "./broker/safe-mode.ts";
import type { ListenerSettings, Settings } from "./config/config.ts";
import { writeRules } from "./config/write-rules.ts";
import { Connection } from "./connection/connection.ts";
import type { ListenerPolicy } from "./connection/listener-policy.ts";
import { extensions } from "./extensions/index.ts";
import { Parking } from "./parking.ts";
import type { ByteBudget } from "./platform/byte-budget.ts";
import type { Clock } from "./platform/clock.ts";
import { canWriteTo } from "./platform/folder.ts";
import type { LastingClock } from "./platform/lasting-clock.ts";
import type { Logger } from "./platform/logger.ts";
import { machineMemory } from "./platform/machine-memory.ts";
import { fileSystemBytes, ramFolder } from "./platform/ram-folder.ts";
import { ReasonCode } from "./protocol/reason-codes.ts";
import type { Store } from "./store/store.ts";
import { StoreClient } from "./store/store-client.ts";
import type { ByteStream, Listener } from "./transport/byte-stream.ts";
import { createListener } from "./transport/create-listener.ts";
import { type ListenerOptions, listenerKey } from "./transport/listener.ts";
import { PassedDescriptors } from "./transport/passed-descriptors.ts";

export interface Composition {
	readonly settings: Settings;
	/** The store's clock too. */
	readonly clock: LastingClock;
	readonly log: Logger;
	readonly store: Store;
	/** As in {@link Broker}; tests set it. */
	readonly awayInMemory?: number;
	/** Absent in tests without a process around the broker. */
	readonly surroundings?: Surroundings;
	/** Entered by whoever made the store. */
	readonly safeMode?: SafeMode;
	/** The store is opened in it. */
	readonly ramState?: RamState | null;
	/** Sockets that systemd has opened. */
	readonly passed?: PassedDescriptors;
}

const noSurroundings: Surroundings = {
	reload: () => Promise.reject(new Error("there is nothing to read again")),
};

/** After goodbye has been said, clients have this long to close their side. */
const GOODBYE_MS = 300;

/** A broker with its extensions, running as soon as {@link start} returns. */
export class RunningBroker {
	readonly broker: Broker;
	readonly api: BrokerApi;
	/** Streams that are not closed yet, those saying goodbye included. */
	openStreams = 0;
	readonly #parking = new Parking();
	readonly #clockWatch: ClockWatch;
	readonly #extensions: Extension[];
	readonly #log: Logger;
	readonly #settings: Settings;
	readonly #passed: PassedDescriptors;

	constructor(parts: Composition) {
		this.broker = new Broker(parts);
		const { wheel, log, store } = this.broker;
		this.#clockWatch = new ClockWatch({
			clock: parts.clock,
			wheel,
			log,
			store,
		});
		this.#log = parts.log;
		this.#settings = parts.settings;
		this.#passed = parts.passed ?? new PassedDescriptors([]);
		this.api = new BrokerApi(this.broker, parts.surroundings ?? noSurroundings);
		this.#extensions = extensions.map((make) => make());
	}

	get listeners(): Map<string, Listener> {
		return this.broker.listeners;
	}

	/** Opens the store, brings back what it holds, and lets clients in. */
	async start(): Promise<void> {
		const { ramState, safeMode } = this.broker;
		ramState?.claim();
		await this.broker.store.open();
		await this.#clockWatch.begin();
		safeMode.begin(this.broker);
		if (!safeMode.isOn) ramState?.begin(this.broker);
		this.broker.wear.start();
		this.broker.watchMemory();
		await this.broker.restore();
		this.broker.overload.look();
		for (const extension of this.#extensions) await extension.start(this.api);
		this.#parking.open();
	}

	/** @throws Error in words when the address cannot be used; nothing has changed then */
	async listen(settings: ListenerSettings): Promise<Listener> {
		const listener = createListener(
			listenerOptions(
				settings,
				this.#settings,
				this.broker.budgets.partialFrames,
				this.#passed.take(listenerKey(settings)),
			),
			(stream) =>
				this.#parking.admit(stream, () => this.#connect(stream, settings)),
			(words) => this.#log.system.warning(words),
		);
		await listener.start();
		this.listeners.set(settings.name, listener);
		return listener;
	}

	#connect(stream: ByteStream, policy: ListenerPolicy): Connection {
		this.openStreams++;
		return new Connection(
			this.broker,
			stream,
			policy,
			() => this.openStreams--,
		);
	}

	async unlisten(name: string): Promise<void> {
		const listener = this.listeners.get(name);
		this.listeners.delete(name);
		await listener?.stop();
	}

	/** After {@link stop}: lets the last packets leave. */
	async endStreams(): Promise<void> {
		const { clock } = this.broker;
		const until = clock.monotonicMs() + GOODBYE_MS;
		while (this.openStreams > 0 && clock.monotonicMs() < until)
			await new Promise((resolve) => setTimeout(resolve, 10));
	}

	/** Stops accepting, says goodbye to clients, commits everything and closes the store. */
	async stop(): Promise<void> {
		const names = [...this.listeners.keys()];
		await Promise.all(names.map((name) => this.unlisten(name)));
		for (const extension of this.#extensions) await extension.stop();
		this.broker.shutDown(ReasonCode.ServerShuttingDown);
		this.#clockWatch.save();
		await this.broker.store.close();
	}
}

/** Kept on the disk next to the database, for the removals of a full disk. */
const BALLAST_BYTES = 8 * 1024 * 1024;
/** Of a file system in memory: others need it too. */
const RAM_SHARE = 0.5;

/**
 * What the database may become, in bytes; 0 for no limit.
 * @param isInMemory without any file
 * @param ram where it is in a file in memory
 */
export function storeLimit(
	settings: Settings,
	isInMemory: boolean,
	ram: RamPlace | null = null,
): number {
	const limit = Math.min(
		settings["store.max_bytes"],
		isInMemory || ram !== null
			? memoryShare(settings)
			: Number.POSITIVE_INFINITY,
		ram === null
			? Number.POSITIVE_INFINITY
			: RAM_SHARE * fileSystemBytes(dirname(ram.path)),
	);
	return limit === Number.POSITIVE_INFINITY ? 0 : limit;
}

/**
 * Where the state is with `state = ram+checkpoint`; null with any other way of keeping it.
 * Enters safe mode when there is no folder in memory.
 */
export function planRamState(
	settings: Settings,
	safeMode: SafeMode,
): RamState | null {
	const { state, persistence, data_dir } = settings;
	if (state !== "ram+checkpoint" || !persistence || safeMode.isOn) return null;
	try {
		const configured = settings["state.ram_dir"];
		const folder = ramFolder(configured, data_dir, process.env);
		return new RamState({
			path: join(folder, "broker.db"),
			checkpoint: join(data_dir, "broker.db"),
		});
	} catch (error) {
		safeMode.enter((error as Error).message, null);
		return null;
	}
}

function memoryShare(settings: Settings): number {
	const limit = memoryLimit(settings.memory_limit, machineMemory());
	return memoryDatabaseLimit(limit);
}

export interface StoreParts {
	readonly settings: Settings;
	readonly clock: Clock;
	readonly log: Logger;
	/** On already: the database is not touched. Else entered when it cannot be used. */
	readonly safeMode: SafeMode;
	/** As {@link planRamState} says. */
	readonly ramState?: RamState | null;
	readonly resetState: boolean;
	wasKilled(): boolean;
	onFatal(error: Error): void;
}

/** The store that the settings ask for, in `data_dir`, not opened yet. */
export function createStore(parts: StoreParts): Store {
	const { settings, clock, log, safeMode, resetState } = parts;
	const { data_dir } = settings;
	const isInMemory = !settings.persistence || safeMode.isOn;
	const ram = isInMemory ? null : (parts.ramState?.place ?? null);
	const path = ram?.path ?? join(data_dir, "broker.db");
	return new StoreClient({
		resetState,
		path: isInMemory ? ":memory:" : path,
		...(ram !== null && { checkpoint: ram.checkpoint }),
		clock,
		commitIntervalMs: settings["store.commit_interval"],
		lazyIntervalMs: settings["store.lazy_interval"],
		writeRules: writeRules(settings),
		maxBytes: storeLimit(settings, isInMemory, ram),
		ballastBytes: BALLAST_BYTES,
		...(settings.durability === "relaxed" && {
			syncIntervalMs: settings["store.sync_interval"],
		}),
		wasKilled: () => parts.wasKilled(),
		onFatal: (error) => parts.onFatal(error),
		onNotice: (words) => log.store.warning(words),
		onRefused: ({ kind, message }) => {
			if (kind !== "unusable" || resetState) return null;
			safeMode.enter(message, () => canWriteTo(data_dir));
			return storeLimit(settings, true);
		},
	});
}

function listenerOptions(
	listener: ListenerSettings,
	settings: Settings,
	partialMessageBudget: ByteBudget,
	descriptors: readonly number[],
): ListenerOptions {
	return {
		descriptors,
		partialMessageBudget,
		name: listener.name,
		transport: listener.transport,
		addresses: listener.addresses,
		path: listener.path,
		/** Read for each connection: it may change while the listener runs. */
		get maxConnections() {
			return listener.maxConnections;
		},
		backlog: listener.backlog,
		noDelay: listener.noDelay,
		keepAliveSeconds:
			listener.keepAliveSeconds === Number.POSITIVE_INFINITY
				? 0
				: listener.keepAliveSeconds,
		maxPacketSize: settings.max_packet_size,
	};
}
