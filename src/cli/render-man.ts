/** Writes the table of commands as the manual pages broker(1) and brokerctl(1), in man(7) macros. */
import { roff } from "../config/roff.ts";
import type { CommandDescription, CommandOption } from "../platform/command.ts";
import { capitalised, isLong } from "./help.ts";
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

const others: Readonly<Record<ProgramName, string>> = {
	broker: "brokerctl",
	brokerctl: "broker",
};

export function renderCommandsPage(
	program: ProgramName,
	specs: readonly CommandDescription[],
): string {
	const isServer = program === "broker";
	const shown = isServer ? [runCommand, ...specs] : specs;
	const { summary, about } = programs[program];
	const lines = [
		`.TH ${program.toUpperCase()} 1 "" broker "User commands"`,
		".SH NAME",
		`${program} \\- ${roff(summary)}`,
		".SH SYNOPSIS",
		...(isServer
			? [".B broker", "[\\fBrun\\fR] [\\fIOPTION\\fR...]", ".br"]
			: []),
		`.B ${program}`,
		"\\fICOMMAND\\fR [\\fIOPTION\\fR...]",
		".SH DESCRIPTION",
		roff(about),
		".SH COMMANDS",
		...shown.flatMap((spec) => renderCommand(program, spec)),
		".SH OPTIONS OF ALL COMMANDS",
		...renderOptions(generalOptions),
		...(isServer ? [".SH SIGNALS", ...renderRows(signals)] : []),
		".SH EXIT STATUS",
		...renderRows(exitCodes),
		".SH ENVIRONMENT",
		...renderRows(environment),
		".SH FILES",
		...renderRows(files),
		".SH EXAMPLES",
		...shown
			.flatMap(({ examples }) => renderExamples(program, examples))
			.slice(1),
		".SH SEE ALSO",
		`.BR ${others[program]} (1),`,
		".BR broker.conf (5)",
	];
	return `${lines.join("\n")}\n`;
}

function renderCommand(
	program: ProgramName,
	{
		name,
		operands = "",
		summary,
		about = [],
		options = {},
	}: CommandDescription,
): string[] {
	const words = Object.entries(options).map(([option, { value }]) => {
		const argument = value === undefined ? "" : ` \\fI${roff(value)}\\fR`;
		return `[\\fB${roff(`--${option}`)}\\fR${argument}]`;
	});
	const parts = [
		`\\fB${program} ${roff(name)}\\fR`,
		...(operands === "" ? [] : [`\\fI${roff(operands)}\\fR`]),
		...(isLong(options) ? ["[\\fIOPTION\\fR...]"] : words),
	];
	const own = renderOptions(options);
	return [
		".TP",
		parts.join(" "),
		roff(`${capitalised(summary)}.`),
		...about.flatMap((text) => [".IP", roff(text)]),
		...(own.length === 0 ? [] : [".RS", ...own, ".RE"]),
	];
}

function renderOptions(
	options: Readonly<Record<string, CommandOption>>,
): string[] {
	return Object.entries(options).flatMap(
		([name, { value, short, summary }]) => {
			const letter = short === undefined ? "" : `\\fB\\-${short}\\fR, `;
			const argument = value === undefined ? "" : ` \\fI${roff(value)}\\fR`;
			return [
				".TP",
				`${letter}\\fB${roff(`--${name}`)}\\fR${argument}`,
				roff(summary),
			];
		},
	);
}

function renderRows(
	rows: readonly (readonly [what: string, means: string])[],
): string[] {
	return rows.flatMap(([what, means]) => [
		".TP",
		`.B ${roff(what)}`,
		roff(means),
	]);
}

function renderExamples(
	program: ProgramName,
	examples: readonly string[],
): string[] {
	return examples.flatMap((line) => [
		".br",
		`.B ${roff(`${program} ${line}`.trimEnd())}`,
	]);
}
