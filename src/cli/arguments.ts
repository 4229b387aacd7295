/** The command line: what is to be done, with which configuration. */
import { parseArgs } from "node:util";
import type {
	CommandCall,
	CommandDescription,
	CommandOption,
	CommandSpec,
} from "../platform/command.ts";
import { nearestWord } from "../platform/nearest-word.ts";
import { synopsis } from "./help.ts";
import { generalOptions, type ProgramName, runCommand } from "./program.ts";

export type Command<Call extends CommandCall = CommandCall> =
	| { readonly name: "run" | "version" | "licences" }
	/** About the command whose name these words begin with; about all when there are none. */
	| { readonly name: "help"; readonly about: readonly string[] }
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

type Options = Readonly<Record<string, CommandOption>>;

interface GivenOption {
	readonly name: string;
	/** As it was written: `-x`. */
	readonly rawName: string;
	readonly value: string | undefined;
	/** `--name=value`. */
	readonly isInline: boolean;
}

/** What `broker --check-config` calls. */
const CHECK = "config check";

/**
 * @param specs the commands beside `run`
 * @throws UsageError
 */
export function parseArguments<Call extends CommandCall>(
	argv: readonly string[],
	specs: readonly CommandSpec<Call>[],
	program: ProgramName = "broker",
): Arguments<Call> {
	const { positionals, given } = parse(argv, specs);
	const textOf = (name: string) =>
		given.findLast((option) => option.name === name)?.value;
	return {
		command: commandOf(positionals, given, specs, program),
		file: textOf("config"),
		sets: given
			.filter(({ name }) => name === "set")
			.map(({ value = "" }) => value),
		resetState: given.some(({ name }) => name === "reset-state"),
		socket: textOf("socket"),
	};
}

function commandOf<Call extends CommandCall>(
	positionals: readonly string[],
	given: readonly GivenOption[],
	specs: readonly CommandSpec<Call>[],
	program: ProgramName,
): Command<Call> {
	const has = (name: string) => given.some((option) => option.name === name);
	if (positionals[0] === "help" || has("help")) {
		const about = positionals.filter((word, at) => at > 0 || word !== "help");
		if (about.length > 0) checkKnown(about, specs);
		return { name: "help", about };
	}
	if (has("version")) return { name: "version" };
	if (has("licenses")) return { name: "licences" };
	const spec = specs.find(({ name }) => startsWith(positionals, name));
	if (spec !== undefined) {
		checkOptions(spec, given, specs);
		const words = positionals.slice(spec.name.split(" ").length);
		checkWords(program, spec, words);
		return callOf(spec, words, given);
	}
	const [first, second] = positionals;
	const isRun =
		first === undefined || (first === "run" && second === undefined);
	// An option that nobody knows has left its value behind: that is no command.
	const own = specs.flatMap(({ options }) => Object.keys(options ?? {}));
	const others = given.filter(({ name }) => !own.includes(name));
	checkOptions(runCommand, isRun ? given : others, specs);
	if (!isRun) throw unknownCommand(positionals, specs);
	const check = specs.find(({ name }) => name === CHECK);
	if (has("check-config") && check !== undefined) return callOf(check, [], []);
	if (program === "broker") return { name: "run" };
	if (first === undefined && !has("reset-state"))
		return { name: "help", about: [] };
	throw new UsageError(
		"under this name no broker is started; call broker for that",
	);
}

function callOf<Call extends CommandCall>(
	spec: CommandSpec<Call>,
	words: readonly string[],
	given: readonly GivenOption[],
): Command<Call> {
	const own = given.filter(({ name }) => spec.options?.[name] !== undefined);
	const options = Object.fromEntries(
		own.map(({ name, value }) => [name, value ?? true]),
	);
	return { name: "call", spec, words, options, json: options.json === true };
}

function startsWith(positionals: readonly string[], name: string): boolean {
	return name.split(" ").every((word, index) => positionals[index] === word);
}

function checkWords(
	program: ProgramName,
	spec: CommandSpec<never>,
	words: readonly string[],
): void {
	const { least, most } = spec.words ?? { least: 0, most: 0 };
	if (words.length >= least && words.length <= most) return;
	throw new UsageError(`use: ${synopsis(program, spec)}`);
}

/** @throws UsageError when no command begins with these words */
function checkKnown(
	words: readonly string[],
	specs: readonly CommandSpec<never>[],
): void {
	const names = [runCommand, ...specs].map(({ name }) => name.split(" "));
	const isKnown = names.some((name) =>
		name.every((word, at) => (words[at] ?? word) === word),
	);
	if (!isKnown) throw unknownCommand(words, specs);
}

function unknownCommand(
	words: readonly string[],
	specs: readonly CommandSpec<never>[],
): UsageError {
	const names = specs.map(({ name }) => name);
	const own = names.filter((name) => name.startsWith(`${words[0]} `));
	if (own.length > 0 && words.length === 1)
		return new UsageError(`${words[0]} is not complete: ${own.join(", ")}`);
	const nearest =
		nearestWord(words.slice(0, 2).join(" "), names) ??
		nearestWord(words[0] ?? "", [...names, ...groupsOf(names)]);
	const hint = nearest === null ? "" : `; did you mean ${nearest}?`;
	return new UsageError(`there is no command ${words.join(" ")}${hint}`);
}

/** The first words of names with several. */
function groupsOf(names: readonly string[]): string[] {
	return names
		.filter((name) => name.includes(" "))
		.map((name) => name.split(" ")[0] ?? "");
}

/** @throws UsageError for one that the command does not take, or not like this */
function checkOptions(
	command: CommandDescription,
	given: readonly GivenOption[],
	specs: readonly CommandSpec<never>[],
): void {
	const allowed: Options = { ...command.options, ...generalOptions };
	for (const { name, rawName, value, isInline } of given) {
		const option = allowed[name];
		if (option === undefined) throw unknownOption(command, rawName, specs);
		if (option.value === undefined && isInline)
			throw new UsageError(`--${name} takes no value`);
		const isMissing = value === undefined || (!isInline && /^-./.test(value));
		if (option.value !== undefined && isMissing)
			throw new UsageError(
				`--${name} needs a value: --${name}=${option.value}`,
			);
	}
}

function unknownOption(
	command: CommandDescription,
	rawName: string,
	specs: readonly CommandSpec<never>[],
): UsageError {
	const own = Object.keys({ ...command.options, ...generalOptions });
	const word = rawName.replace(/^-+/, "");
	if ([runCommand, ...specs].some(({ options }) => options?.[word]))
		return new UsageError(`${command.name} does not take ${rawName}`);
	const nearest = word.length > 1 ? nearestWord(word, own) : null;
	const hint = nearest === null ? "" : `; did you mean --${nearest}?`;
	return new UsageError(`there is no option ${rawName}${hint}`);
}

function parse(
	argv: readonly string[],
	specs: readonly CommandSpec<never>[],
): { positionals: string[]; given: GivenOption[] } {
	const known = [runCommand, ...specs, { options: generalOptions }].flatMap(
		({ options }) => Object.entries(options ?? {}),
	);
	const { tokens } = parseArgs({
		args: [...argv],
		allowPositionals: true,
		strict: false,
		tokens: true,
		options: Object.fromEntries(
			known.map(([name, { value, short }]) => [
				name,
				{
					type:
						value === undefined ? ("boolean" as const) : ("string" as const),
					...(short === undefined ? {} : { short }),
				},
			]),
		),
	});
	const positionals: string[] = [];
	const given: GivenOption[] = [];
	for (const token of tokens) {
		if (token.kind === "positional") positionals.push(token.value);
		if (token.kind !== "option") continue;
		const { name, rawName, value, inlineValue } = token;
		given.push({ name, rawName, value, isInline: inlineValue === true });
	}
	return { positionals, given };
}
