/**
 * The log: classes that an operator switches, levels that cost nothing when they are off.
 *
 * A level that is off *is* the function {@link noop}, so a call to it is all it costs.
 * Its arguments are still evaluated: where building them is work, ask `isDebug` or
 * `isTrace` first. Read the methods through the class each time (`log.access.debug(...)`):
 * `configure` exchanges them.
 * Owner of the state: the logger; main thread only.
 */

import type { Clock } from "./clock.ts";
import type { Level, LineFormat, LogFields, LogFormat } from "./log-format.ts";
import { levels, lineFormats } from "./log-format.ts";
import type { LogSink } from "./log-sink.ts";

export type {
	Level,
	LogFields,
	LogFormat,
	LogValue,
} from "./log-format.ts";
export { levels } from "./log-format.ts";
export type { LogSink } from "./log-sink.ts";
export { isUnderSystemd, stderrSink } from "./log-sink.ts";
export { RateLimit } from "./rate-limit.ts";

/** What a line is about; {@link Logger} has one property for each. // [F13] */
export const logClasses = [
	"access",
	"packet",
	"protocol",
	"resource",
	"store",
	"config",
	"system",
] as const;
export type LogClass = (typeof logClasses)[number];

export interface LogOptions {
	/** Lines of this level and the worse ones are written; `off` for none. */
	readonly level: Level | "off";
	/** Levels of single classes, where they differ. */
	readonly classes: Partial<Readonly<Record<LogClass, Level | "off">>>;
	readonly format: LogFormat;
}

export type LogMethod = (message: string, fields?: LogFields) => void;

/** The log of one class. */
export interface ClassLogger {
	/** Something failed and somebody has to act. */
	readonly error: LogMethod;
	/** Something is wrong, and the broker goes on by itself. */
	readonly warning: LogMethod;
	/** What an operator wants to know of normal running. */
	readonly info: LogMethod;
	/** For finding out why. */
	readonly debug: LogMethod;
	/** Each step. */
	readonly trace: LogMethod;
	readonly isDebug: boolean;
	readonly isTrace: boolean;
}

/** What a level is that is switched off. */
export const noop: LogMethod = () => {};

type LogMethods = Readonly<Record<Level, LogMethod>>;

class SwitchedClassLogger implements ClassLogger {
	error = noop;
	warning = noop;
	info = noop;
	debug = noop;
	trace = noop;
	isDebug = false;
	isTrace = false;
	readonly #methods: LogMethods;

	constructor(methods: LogMethods) {
		this.#methods = methods;
	}

	switch(upTo: Level | "off"): void {
		const last = upTo === "off" ? -1 : levels.indexOf(upTo);
		levels.forEach((level, index) => {
			this[level] = index <= last ? this.#methods[level] : noop;
		});
		this.isDebug = this.debug !== noop;
		this.isTrace = this.trace !== noop;
	}
}

/** Writes lines of seven classes to a sink. // [F13] */
export class Logger {
	/** Who comes, goes and is refused: connections, authentication, authorisation. */
	readonly access: ClassLogger;
	/** Packets in and out, one line each, without payload. */
	readonly packet: ClassLogger;
	/** Peers that break the rules of MQTT, WebSocket or TLS. */
	readonly protocol: ClassLogger;
	/** Limits reached: memory, queues, connections, rates, descriptors. */
	readonly resource: ClassLogger;
	/** The database: start, salvage, trouble, slow commits. */
	readonly store: ClassLogger;
	/** Config read and reloaded, keys that do not act, certificates about to end. */
	readonly config: ClassLogger;
	/** Start, stop, listeners, the worker, the system the broker runs on. */
	readonly system: ClassLogger;

	readonly #sink: LogSink;
	readonly #clock: Clock;
	readonly #switched = new Map<LogClass, SwitchedClassLogger>();
	#format: LineFormat = lineFormats.text;
	/** Of the sink's lost lines, those that were already reported. */
	#reportedDropped = 0;

	constructor(sink: LogSink, clock: Clock, options: LogOptions) {
		this.#sink = sink;
		this.#clock = clock;
		this.access = this.#classLogger("access");
		this.packet = this.#classLogger("packet");
		this.protocol = this.#classLogger("protocol");
		this.resource = this.#classLogger("resource");
		this.store = this.#classLogger("store");
		this.config = this.#classLogger("config");
		this.system = this.#classLogger("system");
		this.configure(options);
	}

	/** Takes effect with the next line. */
	configure(options: LogOptions): void {
		this.#format = lineFormats[options.format];
		for (const [name, classLogger] of this.#switched)
			classLogger.switch(options.classes[name] ?? options.level);
	}

	#classLogger(name: LogClass): ClassLogger {
		const method =
			(level: Level): LogMethod =>
			(message, fields) =>
				this.#write(level, name, message, fields);
		const classLogger = new SwitchedClassLogger({
			error: method("error"),
			warning: method("warning"),
			info: method("info"),
			debug: method("debug"),
			trace: method("trace"),
		});
		this.#switched.set(name, classLogger);
		return classLogger;
	}

	#write(
		level: Level,
		name: LogClass,
		message: string,
		fields?: LogFields,
	): void {
		const before = this.#sink.dropped ?? 0;
		const wallMs = this.#clock.wallMs();
		this.#sink(this.#format(wallMs, level, name, message, fields), level);
		const dropped = this.#sink.dropped ?? 0;
		if (dropped === before && dropped !== this.#reportedDropped)
			this.#reportDropped(wallMs, dropped);
	}

	/** The sink takes lines again: what is missing above has to be said. */
	#reportDropped(wallMs: number, dropped: number): void {
		const lines = dropped - this.#reportedDropped;
		const message = "log lines were lost: the log's reader did not take them";
		this.#sink(
			this.#format(wallMs, "warning", "system", message, { lines }),
			"warning",
		);
		if (this.#sink.dropped === dropped) this.#reportedDropped = dropped;
	}
}
