/** The command line of `broker`: what is to be done, with which configuration. */
import { parseArgs } from "node:util";
import type { CommandCall, CommandSpec } from "../platform/command.ts";

export type Command<Call extends CommandCall = CommandCall> =
	| {
			readonly name:
				| "run"
				| "check"
				| "help"
				| "version"
				| "licences"
				| "schema";
	  }
	| {
			readonly name: "show";
			readonly keys: readonly string[];
			readonly all: boolean;
			readonly json: boolean;
	  }
	| {
			readonly name: "call";
			readonly spec: CommandSpec<Call>;
			readonly words: readonly string[];
			readonly options: CommandCall["options"];
			readonly json: boolean;
	  };

export interface Arguments<Call extends CommandCall = CommandCall> {
	readonly command: Command<Call>;
	/** `-c FILE`; undefined: the default file when it exists. */
	readonly file: string | undefined;
	/** `--set key=value`, in order. */
	readonly sets: readonly string[];
	/** `--reset-state`: the state is moved aside, and the broker starts with none. */
	readonly resetState: boolean;
	/** `--socket PATH`: where the running broker listens for commands. */
	readonly socket: string | undefined;
}

/** The arguments cannot be understood; the message says why. */
export class UsageError extends Error {
	override readonly name = "UsageError";
}

/** What all commands understand. */
const GENERAL = {
	config: { type: "string", short: "c" },
	set: { type: "string", multiple: true },
	socket: { type: "string" },
	"check-config": { type: "boolean" },
	"reset-state": { type: "boolean" },
	all: { type: "boolean" },
	json: { type: "boolean" },
	help: { type: "boolean", short: "h" },
	version: { type: "boolean", short: "V" },
	licenses: { type: "boolean" },
} as const;

type Given = Readonly<Record<string, unknown>>;

/**
 * @param specs the commands beside those for running and configuring
 * @throws UsageError
 */
export function parseArguments<Call extends CommandCall>(
	argv: readonly string[],
	specs: readonly CommandSpec<Call>[],
): Arguments<Call> {
	const { values, positionals } = parse(argv, specs);
	return {
		command: commandOf(values, positionals, specs),
		file: values.config,
		sets: values.set ?? [],
		resetState: values["reset-state"] === true,
		socket: values.socket,
	};
}

function commandOf<Call extends CommandCall>(
	values: ReturnType<typeof parse>["values"],
	positionals: readonly string[],
	specs: readonly CommandSpec<Call>[],
): Command<Call> {
	if (values.help === true) return { name: "help" };
	if (values.version === true) return { name: "version" };
	if (values.licenses === true) return { name: "licences" };
	const [first, second, ...keys] = positionals;
	const spec = specs.find(({ name }) => startsWith(positionals, name));
	const json = values.json === true;
	if (spec !== undefined) {
		const words = positionals.slice(spec.name.split(" ").length);
		checkWords(spec, words);
		const options = ownOptions(spec, specs, values);
		return { name: "call", spec, words, options, json };
	}
	ownOptions({ name: positionals.join(" ") || "broker" }, specs, values);
	if (values["check-config"] === true) return { name: "check" };
	if (first === undefined) return { name: "run" };
	if (first === "run" && second === undefined) return { name: "run" };
	if (first === "config" && second === "schema") return { name: "schema" };
	if (first === "config" && second === "show")
		return { name: "show", keys, all: values.all === true, json };
	throw new UsageError(`unknown command: ${positionals.join(" ")}`);
}

function startsWith(positionals: readonly string[], name: string): boolean {
	return name.split(" ").every((word, index) => positionals[index] === word);
}

function checkWords(spec: CommandSpec<never>, words: readonly string[]): void {
	const { least, most } = spec.words ?? { least: 0, most: 0 };
	if (words.length >= least && words.length <= most) return;
	throw new UsageError(`use: broker ${spec.name} ${spec.synopsis}`.trimEnd());
}

/** What is given of the command's options. @throws UsageError for one of another command */
function ownOptions(
	spec: Pick<CommandSpec<never>, "name" | "options">,
	specs: readonly CommandSpec<never>[],
	values: Given,
): CommandCall["options"] {
	const own: Record<string, string | boolean> = {};
	for (const { options } of specs) {
		for (const name of Object.keys(options ?? {})) {
			const value = values[name];
			if (value === undefined || name in GENERAL) continue;
			if (spec.options?.[name] === undefined)
				throw new UsageError(`${spec.name} does not take --${name}`);
			own[name] = value as string | boolean;
		}
	}
	return own;
}

function parse(argv: readonly string[], specs: readonly CommandSpec<never>[]) {
	const added = specs.flatMap(({ options }) =>
		Object.entries(options ?? {}).map(([name, kind]) => [
			name,
			{ type: kind === "flag" ? "boolean" : "string" },
		]),
	);
	try {
		return parseArgs({
			args: [...argv],
			allowPositionals: true,
			options: { ...Object.fromEntries(added), ...GENERAL } as typeof GENERAL,
		});
	} catch (error) {
		throw new UsageError(
			error instanceof Error ? error.message : String(error),
		);
	}
}
