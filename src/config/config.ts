/**
 * Loads the configuration: gathers the sources, looks every key up in the table,
 * and either gives complete settings or all mistakes at once.
 *
 * The `settings` object of the first load belongs to whoever loaded it; a reload
 * (reload.ts) changes it in place.
 */
import type {
	ConfigValue,
	FieldSpec,
	SchemaFragment,
	SettingsOf,
} from "../platform/config-field.ts";
import { checkCombinations } from "./checks.ts";
import { hasPlaceholder, KeyTable } from "./key-table.ts";
import {
	type ConfigEntry,
	type ListenerSettings,
	resolveListeners,
} from "./listeners.ts";
import { looksSecret, printable } from "./parse.ts";
import {
	ConfigError,
	type ConfigNotice,
	type ConfigProblem,
} from "./problems.ts";
import { coreFragments, type Settings } from "./schema.ts";
import {
	type Origin,
	readSources,
	type SourcedAssignment,
	type Sources,
} from "./sources.ts";
import { parseValue, ValueError } from "./values.ts";
import { checkFilterIn } from "./write-rules.ts";

export type { ListenerSettings } from "./listeners.ts";
export {
	ConfigError,
	type ConfigNotice,
	type ConfigProblem,
	formatNotice,
	formatProblem,
} from "./problems.ts";
export type { Settings } from "./schema.ts";
export type { Origin } from "./sources.ts";

export interface LoadOptions {
	/** `-c FILE`. Without it `defaultFile` is read when it exists. */
	readonly file?: string;
	/** /etc/broker/broker.conf when absent. */
	readonly defaultFile?: string;
	/** The texts after `--set`: `key=value`. */
	readonly sets: readonly string[];
	readonly env: NodeJS.ProcessEnv;
	readonly underSystemd: boolean;
	/** What extensions add to the table. */
	readonly fragments: readonly SchemaFragment[];
}

export interface LoadedConfig {
	/** All active keys; the keys of extensions too, see {@link settingsOf}. */
	readonly settings: Settings;
	/** In the order of the configuration. */
	readonly listeners: ListenerSettings[];
	/** Where the value of each key came from, of all keys and of every listener key that was set. */
	origins: ReadonlyMap<string, Origin>;
	/** What was set, by key; defaults are not here. */
	entries: ReadonlyMap<string, ConfigEntry>;
	notices: readonly ConfigNotice[];
	/** The files that were read, in order. */
	files: readonly string[];
	readonly table: KeyTable;
	readonly options: LoadOptions;
}

/**
 * Loads everything.
 * @throws ConfigError with all mistakes
 */
export function loadConfig(options: LoadOptions): LoadedConfig {
	const { config, problems } = loadWithMistakes(options);
	if (problems.length > 0) throw new ConfigError(problems);
	return config;
}

/**
 * As {@link loadConfig}; what has a mistake is as if it had not been set. For commands
 * that only need to find the running broker.
 */
export function loadWithMistakes(options: LoadOptions): {
	readonly config: LoadedConfig;
	readonly problems: readonly ConfigProblem[];
} {
	const table = new KeyTable([...coreFragments, ...options.fragments]);
	const sources = readSources({
		...options,
		defaultFile: options.defaultFile ?? "/etc/broker/broker.conf",
	});
	const { problems, notices } = sources;
	const entries = readEntries(table, sources);
	const origins = new Map<string, Origin>();
	for (const [key, entry] of entries) origins.set(key, entry.origin);
	const settings = makeSettings(table, entries, origins, options);
	const listeners = resolveListeners({
		table,
		entries,
		allowAnonymous: settings.allow_anonymous,
		problems,
		notices,
	});
	notices.push(...inactiveKeys(table, entries));
	notices.push(
		...checkCombinations(
			settings,
			listeners,
			(key) => origins.get(key)?.where ?? "",
		),
	);
	const config = {
		settings,
		listeners,
		origins,
		entries,
		notices,
		files: sources.files,
		table,
		options,
	};
	return { config, problems: inOrder(problems) };
}

/** The same settings object, with the keys of an extension's fragment. */
export function settingsOf<const Fields extends readonly FieldSpec[]>(
	config: Pick<LoadedConfig, "settings">,
	_fragment: { readonly fields: Fields },
): SettingsOf<Fields> {
	return config.settings as unknown as SettingsOf<Fields>;
}

/** By file and line; those of one file stay together. */
function inOrder(problems: readonly ConfigProblem[]): ConfigProblem[] {
	const groups = new Map<
		string,
		Array<{ line: number; problem: ConfigProblem }>
	>();
	for (const problem of problems) {
		const [, file = problem.where, line = "0"] =
			/^(.*):(\d+)$/.exec(problem.where) ?? [];
		const group = groups.get(file) ?? [];
		group.push({ line: Number(line), problem });
		groups.set(file, group);
	}
	return [...groups.values()].flatMap((group) =>
		group.sort((a, b) => a.line - b.line).map(({ problem }) => problem),
	);
}

function readEntries(
	table: KeyTable,
	sources: Sources,
): Map<string, ConfigEntry> {
	const entries = new Map<string, ConfigEntry>();
	for (const assignment of sources.assignments) {
		const { key, kind, where, value: text } = assignment;
		const field = table.find(key);
		if (field === null) {
			sources.problems.push(unknownKey(table, assignment));
			continue;
		}
		try {
			checkFilterIn(field, key);
			const value = parseValue(field, text);
			entries.set(key, { value, text, origin: { kind, where } });
		} catch (error) {
			if (!(error instanceof ValueError)) throw error;
			sources.problems.push(wrongValue(table, field, assignment, error));
		}
	}
	return entries;
}

function unknownKey(
	table: KeyTable,
	assignment: SourcedAssignment,
): ConfigProblem {
	const { key, where, kind } = assignment;
	const nearest = table.nearest(key);
	const secret =
		looksSecret(key) || (nearest !== null && table.find(nearest)?.secret);
	const suggestion =
		nearest !== null && kind === "environment"
			? `${environmentName(nearest)} (${nearest})`
			: nearest;
	return {
		where,
		key,
		value: secret ? "***" : printable(assignment.value),
		message: "there is no such key",
		...(suggestion === null ? {} : { nearest: suggestion }),
	};
}

function wrongValue(
	table: KeyTable,
	field: FieldSpec,
	assignment: SourcedAssignment,
	error: ValueError,
): ConfigProblem {
	const { key, where } = assignment;
	// `listener.tcp.max_conections = 100` reads like a listener of that name.
	const nearest = field.type === "addresses" ? table.misspeltOption(key) : null;
	return {
		where,
		key,
		value: field.secret ? "***" : printable(assignment.value),
		message: error.message,
		...(nearest === null ? {} : { nearest }),
	};
}

/** `listener.tcp.default` as the name of an environment variable. */
export function environmentName(key: string): string {
	return `BROKER_${key.toUpperCase().replaceAll(".", "__")}`;
}

const BUILT_IN: Origin = { kind: "default", where: "" };

function makeSettings(
	table: KeyTable,
	entries: ReadonlyMap<string, ConfigEntry>,
	origins: Map<string, Origin>,
	options: LoadOptions,
): Settings {
	const settings: Record<string, ConfigValue> = {};
	for (const field of table.fields) {
		if (!isSimple(field)) continue;
		const entry = entries.get(field.key);
		const isDataDir = field.key === "data_dir";
		if (entry !== undefined && !(isDataDir && entry.value === "")) {
			settings[field.key] = entry.value;
			continue;
		}
		const fallback = defaultOf(field, String(settings.data_dir), options);
		settings[field.key] = parseValue(field, fallback.text);
		origins.set(field.key, fallback.origin);
	}
	for (const [key, entry] of entries) {
		const field = table.find(key);
		if (field === null || !isActive(field)) continue;
		if (hasPlaceholder(field) && !key.startsWith("listener.")) {
			settings[key] = entry.value;
		}
	}
	// The copy is an object that V8 reads by position; one that has grown key by key to this
	// size is a hash table, looked up several times for each message.
	return { ...settings } as unknown as Settings;
}

/** Two defaults depend on who starts the broker. */
function defaultOf(
	field: FieldSpec,
	dataDir: string,
	options: LoadOptions,
): { text: string; origin: Origin } {
	const { underSystemd } = options;
	if (field.key === "data_dir") {
		const text = underSystemd ? "/var/lib/broker" : "./data";
		return folderFrom("STATE_DIRECTORY", options, "") ?? builtIn(text);
	}
	if (field.key === "admin.socket") {
		const name = "/admin.sock";
		const text = underSystemd ? field.default : `${dataDir}${name}`;
		return folderFrom("RUNTIME_DIRECTORY", options, name) ?? builtIn(text);
	}
	return builtIn(field.default);
}

/** Below a folder that systemd hands over. */
function folderFrom(
	variable: "STATE_DIRECTORY" | "RUNTIME_DIRECTORY",
	{ env }: LoadOptions,
	name: string,
): { text: string; origin: Origin } | null {
	const folder = env[variable]?.split(":")[0] ?? "";
	if (folder === "") return null;
	return {
		text: `${folder}${name}`,
		origin: { kind: "environment", where: variable },
	};
}

function builtIn(text: string): { text: string; origin: Origin } {
	return { text, origin: BUILT_IN };
}

/** The key acts in this version. */
export function isActive(field: FieldSpec): boolean {
	return (field.status ?? "active") === "active";
}

/** The key acts and is a property of the settings, always there. */
export function isSimple(field: FieldSpec): boolean {
	return (
		isActive(field) && field.transports === undefined && !hasPlaceholder(field)
	);
}

function inactiveKeys(
	table: KeyTable,
	entries: ReadonlyMap<string, ConfigEntry>,
): ConfigNotice[] {
	const notices: ConfigNotice[] = [];
	for (const [key, entry] of entries) {
		const field = table.find(key);
		if (field === null || isActive(field)) continue;
		const verb =
			field.status === "later" ? "does not act yet" : "has no effect here";
		notices.push({
			where: entry.origin.where,
			key,
			message: `${verb}: ${field.why ?? "it is known for compatibility"}`,
		});
	}
	return notices;
}
