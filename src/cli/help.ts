/** What `--help` says, made of the table of commands. Pure; no line is longer than 80. */
import type { CommandDescription, CommandOption } from "../platform/command.ts";
import { columns, wrapped } from "./columns.ts";
import {
	environment,
	exitCodes,
	files,
	generalOptions,
	type ProgramName,
	programs,
	runCommand,
	signals,
} from "./program.ts";

type Descriptions = readonly CommandDescription[];

/** @param about the words of a command or of the beginning of several; none for the program */
export function helpAbout(
	program: ProgramName,
	specs: Descriptions,
	about: readonly string[],
): string {
	const [group = ""] = about;
	if (group === "") return programHelp(program, specs);
	const spec = [runCommand, ...specs].find(({ name }) =>
		name.split(" ").every((word, at) => about[at] === word),
	);
	return spec === undefined
		? groupHelp(program, group, specs)
		: commandHelp(program, spec);
}

/** Of the program as a whole. */
function programHelp(program: ProgramName, specs: Descriptions): string {
	const isServer = program === "broker";
	const shown = isServer ? [runCommand, ...specs] : specs;
	const usage = isServer
		? "Usage: broker [run] [OPTION...]\n       broker COMMAND [OPTION...]\n"
		: "Usage: brokerctl COMMAND [OPTION...]\n";
	const options = isServer
		? { ...runCommand.options, ...generalOptions }
		: generalOptions;
	const about = [
		...(isServer ? [section("Signals", columns(signals))] : []),
		section("Files", columns(files)),
		section("Environment", columns(environment.slice(0, 1))),
		section("Exit codes", columns(exitCodes)),
	];
	return [
		usage,
		wrapped(programs[program].about),
		section(
			"Commands",
			columns(shown.map(({ name, summary }) => [name, summary])),
		),
		section("Options", columns(optionRows(options))),
		...about,
		section(
			"Examples",
			examples(
				program,
				isServer ? ["", "status", "doctor"] : ["status", "doctor"],
			),
		),
		wrapped(
			`${program} COMMAND --help says more of a command; so do man ${program} and man broker.conf.`,
		),
	].join("\n");
}

/** Of one command. */
function commandHelp(program: ProgramName, spec: CommandDescription): string {
	const { summary, about = [], options = {} } = spec;
	const own = columns(optionRows(options));
	return [
		wrapped(`Usage: ${synopsis(program, spec)}`, { hang: 9 }),
		...[`${capitalised(summary)}.`, ...about].map((text) => wrapped(text)),
		...(own === "" ? [] : [section("Options", own)]),
		section("Options of all commands", columns(optionRows(generalOptions))),
		section("Examples", examples(program, spec.examples)),
	].join("\n");
}

/** Of the commands that begin with a word: `broker state --help`. */
function groupHelp(
	program: ProgramName,
	group: string,
	specs: Descriptions,
): string {
	const own = specs.filter(({ name }) => name.startsWith(`${group} `));
	return [
		`Usage: ${program} ${group} COMMAND [OPTION...]\n`,
		section("Commands", columns(own.map((spec) => [spec.name, spec.summary]))),
		`${program} ${group} COMMAND --help says more.\n`,
	].join("\n");
}

/** With more options than this, a synopsis does not list them. */
const MOST_OPTIONS = 12;

/** `broker session list [--limit N] [--json]`. */
export function synopsis(
	program: ProgramName,
	{ name, operands = "", options = {} }: CommandDescription,
): string {
	const words = Object.entries(options).map(
		([option, { value }]) =>
			`[--${option}${value === undefined ? "" : ` ${value}`}]`,
	);
	const command = name === runCommand.name ? `[${name}]` : name;
	const shown = isLong(options) ? ["[OPTION...]"] : words;
	return [program, command, operands, ...shown].filter(Boolean).join(" ");
}

/** Whether there are too many options for a synopsis. */
export function isLong(options: NonNullable<CommandDescription["options"]>) {
	return Object.keys(options).length > MOST_OPTIONS;
}

/** `-c, --config FILE`, and what it does. */
function optionRows(
	options: Readonly<Record<string, CommandOption>>,
): [string, string][] {
	return Object.entries(options).map(([name, { value, short, summary }]) => {
		const letter = short === undefined ? "    " : `-${short}, `;
		const argument = value === undefined ? "" : ` ${value}`;
		return [`${letter}--${name}${argument}`, summary];
	});
}

function examples(program: ProgramName, lines: readonly string[]): string {
	return lines.map((line) => `  ${`${program} ${line}`.trimEnd()}\n`).join("");
}

function section(heading: string, text: string): string {
	return `${heading}:\n${text}`;
}

export function capitalised(text: string): string {
	return text.charAt(0).toUpperCase() + text.slice(1);
}
