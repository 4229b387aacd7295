/**
 * The running service: starts everything that the configuration names, reads it again
 * on request, and says in plain lines what it does. Owned by main.ts.
 */
import { resolve } from "node:path";
import type { ReloadReport } from "./broker/broker-api.ts";
import { SafeMode } from "./broker/safe-mode.ts";
import {
	createStore,
	planRamState,
	RunningBroker,
	storeLimit,
} from "./compose.ts";
import {
	ConfigError,
	formatNotice,
	formatProblem,
	type ListenerSettings,
	type LoadedConfig,
	type Settings,
} from "./config/config.ts";
import { reloadConfig } from "./config/reload.ts";
import { writeRules } from "./config/write-rules.ts";
import { countStarts, type FailedStarts } from "./failed-starts.ts";
import { systemClock } from "./platform/clock.ts";
import { heartbeatFile } from "./platform/heartbeat-file.ts";
import { LastingClock } from "./platform/lasting-clock.ts";
import {
	type Level,
	type LogClass,
	type Logger,
	type LogOptions,
	logClasses,
} from "./platform/logger.ts";
import { passedSockets } from "./platform/passed-sockets.ts";
import { noSupervisor, type Supervisor } from "./platform/supervisor.ts";
import { version } from "./platform/version.ts";
import { writeReport } from "./report.ts";
import { Supervision, savingTimeMs } from "./supervision.ts";
import type { Listener } from "./transport/byte-stream.ts";
import { listenerKey } from "./transport/listener.ts";
import { PassedDescriptors } from "./transport/passed-descriptors.ts";

/** A stop that takes longer than this is cut short; nothing acknowledged is lost. */
const STOP_TIMEOUT_MS = 10_000;

export class Service {
	readonly #config: LoadedConfig;
	readonly #log: Logger;
	readonly #onFatal: (error: Error) => void;
	readonly #resetState: boolean;
	readonly #supervision: Supervision;
	#running: RunningBroker | null = null;
	/** Null where they are not counted. */
	#starts: FailedStarts | null = null;
	/** The start and all reloads so far, one after the other. */
	#lastStep: Promise<unknown> = Promise.resolve();

	/** @param resetState the start moves the state aside and begins with none */
	constructor(
		config: LoadedConfig,
		log: Logger,
		onFatal: (error: Error) => void,
		resetState = false,
		supervisor: Supervisor = noSupervisor,
	) {
		this.#supervision = new Supervision({
			supervisor,
			clock: systemClock,
			log,
			heartbeats: heartbeatFile(process.env),
		});
		this.#resetState = resetState;
		this.#config = config;
		this.#log = log;
		this.#onFatal = onFatal;
	}

	/** @throws Error in words that name what is in the way */
	start(): Promise<void> {
		return this.#inTurn(() => this.#start());
	}

	/**
	 * Reads the configuration again, after the start and earlier reloads; a mistake in it
	 * leaves everything as it is.
	 */
	reload(): Promise<ReloadReport> {
		return this.#inTurn(() => this.#reload());
	}

	#inTurn<T>(step: () => Promise<T>): Promise<T> {
		const done = this.#lastStep.then(step);
		this.#lastStep = done.catch(() => {});
		return done;
	}

	async #start(): Promise<void> {
		const { settings, listeners } = this.#config;
		const log = this.#log;
		const safeMode = new SafeMode();
		const starts = countStarts(settings, this.#resetState, safeMode);
		this.#starts = starts;
		const clock = new LastingClock(systemClock);
		const ramState = planRamState(settings, safeMode);
		const store = createStore({
			settings,
			ramState,
			clock,
			log,
			safeMode,
			resetState: this.#resetState,
			wasKilled: () => starts?.wasKilled === true,
			onFatal: this.#onFatal,
		});
		const passed = new PassedDescriptors(passedSockets(process.env));
		const running = new RunningBroker({
			settings,
			clock,
			log,
			store,
			surroundings: { reload: () => this.reload() },
			safeMode,
			ramState,
			passed,
		});
		this.#running = running;
		for (const listener of listeners) await running.listen(listener);
		passed.refuseRest(listeners.map(listenerKey));
		this.#supervision.opening(settings);
		// Not before: a start that does not come so far leaves data_dir as it is.
		await (starts?.count(() => running.start()) ?? running.start());
		for (const listener of running.listeners.values()) {
			logListening(log, listener);
		}
		log.system.info(describePlace(settings, safeMode.isOn));
		log.system.info(
			`broker ${version} is ready; stop it with Ctrl-C or kill ${process.pid}`,
		);
		const { format } = logOptions(settings, this.#config.options.underSystemd);
		this.#supervision.ready(running, format);
	}

	/** The process ends by a failure of its own, of which the next start is to know. */
	noteEnd(words: string): void {
		this.#starts?.noteEnd(words);
	}

	/** How long a stop may take. */
	get stopTimeoutMs(): number {
		const bytes = this.#running?.broker.ramState?.bytes ?? 0;
		return STOP_TIMEOUT_MS + savingTimeMs(bytes);
	}

	async stop(): Promise<void> {
		const running = this.#running;
		this.#running = null;
		if (running === null) return;
		const { broker } = running;
		const savingMs = savingTimeMs(broker.ramState?.bytes ?? 0);
		this.#supervision.stopping(broker.connections.size, savingMs);
		this.#starts?.stopped();
		await running.stop();
		await running.endStreams();
		this.#supervision.stopped();
	}

	async #reload(): Promise<ReloadReport> {
		const running = this.#running;
		const log = this.#log;
		if (running === null) return nothingDone([]);
		try {
			const report = await this.#apply(running);
			log.config.info("configuration read again", {
				changed: report.changed.join(" ") || "nothing",
				needs_restart: report.needsRestart.join(" ") || "nothing",
			});
			return report;
		} catch (error) {
			if (!(error instanceof ConfigError)) throw error;
			const mistakes = error.problems.map(formatProblem);
			for (const mistake of mistakes) log.config.error(mistake);
			log.config.error(
				"configuration not read again: it has mistakes; the running one stays",
			);
			return nothingDone(mistakes);
		}
	}

	/** @throws ConfigError; nothing has changed then */
	async #apply(running: RunningBroker): Promise<ReloadReport> {
		const result = reloadConfig(this.#config);
		const { settings, options, notices } = this.#config;
		this.#log.configure(logOptions(settings, options.underSystemd));
		const { broker } = running;
		broker.store.setMaxBytes(
			storeLimit(settings, broker.isInMemory, broker.ramState?.place),
		);
		broker.store.setWriteRules(writeRules(settings));
		broker.budgets.unauthenticated.limit = settings.unauthenticated_bytes;
		broker.limitMemory();
		const { listenersRemoved, listenersMoved, listenersAdded } = result;
		const toClose = [
			...listenersRemoved,
			...listenersMoved.map(({ from }) => from),
		];
		const toOpen = [...listenersMoved.map(({ to }) => to), ...listenersAdded];
		for (const listener of toClose) await this.#close(running, listener);
		const opened: string[] = [];
		const failures: string[] = [];
		for (const listener of toOpen) {
			const failure = await this.#open(running, listener);
			if (failure === "") opened.push(listener.name);
			else failures.push(failure);
		}
		return {
			mistakes: [],
			notices: notices.map(formatNotice),
			changed: result.changed,
			needsRestart: result.needsRestart,
			opened,
			closed: toClose.map(({ name }) => name),
			failures,
		};
	}

	/** For tests: what the process holds, as JSON. */
	writeReport(file: string): void {
		const broker = this.#running?.broker;
		if (broker !== undefined) writeReport(broker, file);
	}

	/** @returns why it cannot be opened; empty when it is open */
	async #open(
		running: RunningBroker,
		settings: ListenerSettings,
	): Promise<string> {
		const { listeners } = this.#config;
		try {
			logListening(this.#log, await running.listen(settings));
			listeners.push(settings);
			return "";
		} catch (error) {
			const words = error instanceof Error ? error.message : String(error);
			this.#log.system.error(words);
			return words;
		}
	}

	async #close(
		running: RunningBroker,
		settings: ListenerSettings,
	): Promise<void> {
		const { listeners } = this.#config;
		await running.unlisten(settings.name);
		running.broker.closeListener(settings.name);
		const index = listeners.findIndex((each) => each.name === settings.name);
		if (index >= 0) listeners.splice(index, 1);
		this.#log.system.info(`no longer listening on ${settings.name}`);
	}
}

function nothingDone(mistakes: readonly string[]): ReloadReport {
	return {
		mistakes,
		notices: [],
		changed: [],
		needsRestart: [],
		opened: [],
		closed: [],
		failures: [],
	};
}

export function logOptions(
	settings: Settings,
	underSystemd: boolean,
): LogOptions {
	const format = settings["log.format"];
	const level = settings["log.level"];
	const classes: Partial<Record<LogClass, Level | "off">> = {};
	for (const name of logClasses) {
		const own = settings[`log.class.${name}`];
		if (own !== "default") classes[name] = own;
	}
	return {
		level,
		classes,
		format: format === "auto" ? (underSystemd ? "systemd" : "text") : format,
	};
}

function describePlace(
	{ persistence, data_dir }: Settings,
	isSafeMode: boolean,
): string {
	if (!persistence)
		return "persistence is off: what is acknowledged does not survive a restart";
	return isSafeMode
		? `SAFE MODE: nothing is kept in ${resolve(data_dir)}`
		: `data in ${resolve(data_dir)}`;
}

const schemes: Readonly<Record<string, string>> = {
	tcp: "mqtt",
	ws: "ws",
	unix: "unix",
};

function logListening(log: Logger, listener: Listener): void {
	const scheme = schemes[listener.transport] ?? listener.transport;
	const path = listener.transport === "ws" ? "/mqtt" : "";
	for (const address of listener.addresses) {
		log.system.info(
			`listening on ${scheme}://${address}${path} (${listener.name})`,
		);
	}
}
