/**
 * `broker config check` (`--check-config`), `config show` and `config schema`: what the
 * configuration says, without starting anything. They write to the given output and
 * return the exit code.
 */
import {
	ConfigError,
	formatNotice,
	formatProblem,
	isActive,
	isSimple,
	type ListenerSettings,
	type LoadedConfig,
	type LoadOptions,
	loadConfig,
	type Origin,
} from "../config/config.ts";
import { hasPlaceholder } from "../config/key-table.ts";
import { optionLevels } from "../config/listeners.ts";
import { quoteValue } from "../config/parse.ts";
import { coreFragments } from "../config/schema.ts";
import { describeRange, formatValue, parseValue } from "../config/values.ts";
import {
	type CommandOutput,
	type CommandSpec,
	jsonOption,
} from "../platform/command.ts";
import type {
	ConfigValue,
	FieldSpec,
	SchemaFragment,
} from "../platform/config-field.ts";
import { plural } from "../platform/words.ts";
import type { CliCall } from "./cli-call.ts";

export interface ShowOptions {
	/** Only these keys; all that are set when empty. */
	readonly keys: readonly string[];
	/** Defaults too. */
	readonly all: boolean;
	readonly json: boolean;
}

interface Row {
	readonly key: string;
	/** As it would be written in the file; `***` for a secret. */
	readonly value: string;
	readonly origin: Origin;
	readonly acts: boolean;
}

const BUILT_IN: Origin = { kind: "default", where: "" };

export const configCommands: readonly CommandSpec<CliCall>[] = [
	{
		name: "config check",
		summary: "every mistake in the configuration, with file and line",
		about: [
			"Reads what a start would read and changes nothing. The exit code is 0 when the configuration is valid, else 1. broker --check-config does the same.",
		],
		examples: ["config check", "config check -c /etc/broker/second.conf"],
		run: async ({ loadOptions, out }) => checkConfig(loadOptions, out),
	},
	{
		name: "config show",
		operands: "[KEY...]",
		summary: "each value that is set, and where it comes from",
		about: [
			"Shows the keys that are named, or all that are set. The value is that which the broker would have, by listener and environment too; secrets are ***.",
		],
		words: { least: 0, most: Number.POSITIVE_INFINITY },
		options: {
			all: { summary: "those that are not set too, with their defaults" },
			json: jsonOption,
		},
		examples: ["config show", "config show --all", "config show memory_limit"],
		run: async ({ loadOptions, words, options, json, out }) =>
			showConfig(
				loadOptions,
				{ keys: words, all: options.all === true, json },
				out,
			),
	},
	{
		name: "config schema",
		summary: "the table of all keys as JSON",
		about: [
			"Types, units, ranges, defaults and texts, those of keys that do not act included.",
		],
		examples: ["config schema"],
		run: async ({ loadOptions, out }) => showSchema(loadOptions.fragments, out),
	},
];

/**
 * Names every mistake, or says that there is none.
 * @returns 0 when the configuration is valid, 1 when not
 */
export function checkConfig(options: LoadOptions, out: CommandOutput): number {
	const config = tryLoad(options, out);
	if (config === null) return 1;
	for (const notice of config.notices) {
		out.write(`note: ${formatNotice(notice)}\n`);
	}
	const files = config.files.length === 0 ? "no file" : config.files.join(", ");
	const listeners = config.listeners.map(describeListener).join(", ");
	out.write(
		`configuration is valid: ${plural(config.entries.size, "key")} set, read from ${files}\n` +
			`  listens on  ${listeners === "" ? "nothing" : listeners}\n` +
			`  data in     ${config.settings.persistence ? config.settings.data_dir : "memory only"}\n`,
	);
	return 0;
}

/**
 * Prints keys, their values and where each value comes from.
 * @returns 0, or 1 when the configuration has mistakes or a key does not exist
 */
export function showConfig(
	options: LoadOptions,
	show: ShowOptions,
	out: CommandOutput,
): number {
	const config = tryLoad(options, out);
	if (config === null) return 1;
	const keys = show.keys.length > 0 ? show.keys : keysToShow(config, show.all);
	const rows: Row[] = [];
	let exitCode = 0;
	for (const key of keys) {
		const row = rowOf(config, key);
		if (row !== null) {
			rows.push(row);
			continue;
		}
		const nearest = config.table.nearest(key);
		const hint = nearest === null ? "" : `; did you mean ${nearest}?`;
		out.write(`${key}: there is no such key${hint}\n`);
		exitCode = 1;
	}
	if (show.json) out.write(`${JSON.stringify(rows, null, "\t")}\n`);
	else out.write(asTable(rows));
	if (rows.length === 0 && exitCode === 0 && !show.json) {
		out.write("nothing is set; --all shows the defaults\n");
	}
	return exitCode;
}

/** Prints the table of all keys as JSON. */
export function showSchema(
	fragments: readonly SchemaFragment[],
	out: CommandOutput,
): number {
	const chapters = [...coreFragments, ...fragments];
	const keys = chapters.flatMap(({ title, fields }) =>
		fields.map((field) => ({
			...field,
			chapter: title,
			status: field.status ?? "active",
			allowed: describeRange(field),
		})),
	);
	out.write(`${JSON.stringify(keys, null, "\t")}\n`);
	return 0;
}

function tryLoad(
	options: LoadOptions,
	out: CommandOutput,
): LoadedConfig | null {
	try {
		return loadConfig(options);
	} catch (error) {
		if (!(error instanceof ConfigError)) throw error;
		for (const problem of error.problems) {
			out.write(`${formatProblem(problem)}\n`);
		}
		const count = plural(error.problems.length, "mistake");
		out.write(`configuration is not valid: ${count}\n`);
		return null;
	}
}

/** In the order of the manual; listener keys in the order of the configuration. */
function keysToShow(config: LoadedConfig, all: boolean): string[] {
	const keys: string[] = [];
	const add = (key: string) => {
		if (!keys.includes(key)) keys.push(key);
	};
	if (all) {
		for (const listener of config.listeners) add(addressKey(listener));
	}
	for (const field of config.table.fields) {
		const isOption = field.transports !== undefined && isActive(field);
		if (all && (isSimple(field) || isOption)) add(field.key);
		for (const key of config.entries.keys()) {
			if (config.table.find(key) === field) add(key);
		}
		// STATE_DIRECTORY is not a key of ours, and decides all the same.
		const origin = config.origins.get(field.key);
		if (origin !== undefined && origin.kind !== "default") add(field.key);
	}
	return keys;
}

function rowOf(config: LoadedConfig, key: string): Row | null {
	const field = config.table.find(key);
	const found = field === null ? null : effectiveValue(config, field, key);
	if (field === null || found === null) return null;
	const [value, origin] = found;
	return {
		key,
		value: field.secret ? "***" : formatValue(field, value),
		origin,
		acts: isActive(field),
	};
}

/** The value of a key, set, inherited or default; null when it has none. */
function effectiveValue(
	config: LoadedConfig,
	field: FieldSpec,
	key: string,
): [ConfigValue, Origin] | null {
	const listenerKey = config.table.listenerKey(key);
	if (listenerKey?.option != null) {
		const { transport, name, option } = listenerKey;
		for (const level of optionLevels(transport, name, option)) {
			const entry = config.entries.get(level);
			if (entry !== undefined) return [entry.value, entry.origin];
		}
		return [parseValue(field, field.default), BUILT_IN];
	}
	if (isSimple(field)) {
		const settings = config.settings as unknown as Record<string, ConfigValue>;
		const value = settings[key];
		if (value === undefined) return null;
		return [value, config.origins.get(key) ?? BUILT_IN];
	}
	const entry = config.entries.get(key);
	if (entry !== undefined) return [entry.value, entry.origin];
	const listener = config.listeners.find((one) => addressKey(one) === key);
	if (listener !== undefined) {
		return [listener.addresses.map(formatAddress), BUILT_IN];
	}
	if (hasPlaceholder(field)) return null;
	return [parseValue(field, field.default), BUILT_IN];
}

function asTable(rows: readonly Row[]): string {
	const width = (cells: readonly string[]) =>
		Math.min(50, Math.max(0, ...cells.map((cell) => cell.length)));
	const keyWidth = width(rows.map((row) => row.key));
	const valueWidth = width(rows.map((row) => quoteValue(row.value)));
	return rows
		.map((row) => {
			const value = quoteValue(row.value);
			const { kind, where } = row.origin;
			const origin =
				kind === "default" || kind === "command line"
					? kind
					: `${kind} ${where}`;
			const acts = row.acts ? "" : " (does not act)";
			return `${row.key.padEnd(keyWidth)}  ${value.padEnd(valueWidth)}  ${origin}${acts}\n`;
		})
		.join("");
}

function describeListener(listener: ListenerSettings): string {
	const places = listener.addresses.map(formatAddress);
	return `${listener.name} ${listener.path || places.join(" ")}`;
}

function formatAddress(address: { host: string; port: number }): string {
	const { host, port } = address;
	return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function addressKey(listener: ListenerSettings): string {
	return `listener.${listener.name.replace(":", ".")}`;
}
