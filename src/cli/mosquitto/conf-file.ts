/**
 * The lines of a mosquitto.conf and of the files that it includes, in the order in which
 * mosquitto reads them. Knows the form, not the options.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { CommandFailure } from "../../platform/command.ts";

/** More than any configuration that a person has written. */
const MOST_BYTES = 4 * 1024 * 1024;

/** One option and what follows it. */
export interface ConfLine {
	readonly option: string;
	/** The rest of the line without the spaces around it. */
	readonly value: string;
	readonly file: string;
	readonly line: number;
}

export interface ConfFiles {
	readonly lines: readonly ConfLine[];
	/** Those that were read, in order. */
	readonly files: readonly string[];
}

/** @throws CommandFailure naming the file that cannot be read */
export function readConf(file: string): ConfFiles {
	const files: string[] = [];
	const lines = [...readFile(resolve(file), files, true)];
	return { lines, files };
}

function* readFile(
	file: string,
	files: string[],
	isMain: boolean,
): Generator<ConfLine> {
	files.push(file);
	for (const [index, text] of textOf(file).split("\n").entries()) {
		const trimmed = text.trim();
		if (trimmed === "" || trimmed.startsWith("#")) continue;
		const [option = ""] = trimmed.split(/\s/, 1);
		const value = trimmed.slice(option.length).trim();
		const line = index + 1;
		yield { option, value, file, line };
		if (option !== "include_dir" || !isMain || value === "") continue;
		for (const included of includedFiles(
			resolve(dirname(file), value),
			file,
			line,
		))
			yield* readFile(included, files, false);
	}
}

function textOf(file: string): string {
	try {
		if (statSync(file).size > MOST_BYTES)
			throw new Error(`it has more than ${MOST_BYTES} bytes`);
		return readFileSync(file, "utf8").replace(/^\uFEFF/, "");
	} catch (error) {
		throw new CommandFailure(
			`cannot read ${file}: ${(error as Error).message}`,
		);
	}
}

function includedFiles(folder: string, file: string, line: number): string[] {
	try {
		return readdirSync(folder)
			.filter((name) => name.endsWith(".conf") && !name.startsWith("."))
			.sort(inMosquittosOrder)
			.map((name) => join(folder, name));
	} catch (error) {
		throw new CommandFailure(
			`${file}:${line}: cannot read include_dir ${folder}: ${(error as Error).message}`,
		);
	}
}

/** By letters, `A` before `a` before `B`. */
function inMosquittosOrder(a: string, b: string): number {
	const [plainA, plainB] = [a.toLowerCase(), b.toLowerCase()];
	if (plainA !== plainB) return plainA < plainB ? -1 : 1;
	return a < b ? -1 : 1;
}
