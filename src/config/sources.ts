/**
 * Gathers what was set and where: files, included files, environment, command line,
 * in this order, the later one wins. Reads files synchronously: it runs at start and
 * on a reload, on a few kilobytes.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type Assignment, parseAssignment, parseConfigText } from "./parse.ts";
import type { ConfigNotice, ConfigProblem } from "./problems.ts";

export type OriginKind =
	| "default"
	| "file"
	| "include"
	| "environment"
	| "command line";

/** Where a value came from. */
export interface Origin {
	readonly kind: OriginKind;
	/** `FILE:LINE`, the variable's name, `--set`, or empty for a default. */
	readonly where: string;
}

export interface SourcedAssignment extends Assignment {
	readonly kind: OriginKind;
}

export interface SourceOptions {
	/** A file that must exist. Without it `defaultFile` is read when it exists. */
	readonly file?: string;
	readonly defaultFile: string;
	/** `key=value` texts of the command line. */
	readonly sets: readonly string[];
	readonly env: NodeJS.ProcessEnv;
}

export interface Sources {
	/** In rising order: a later one wins over an earlier one of the same key. */
	readonly assignments: readonly SourcedAssignment[];
	readonly problems: ConfigProblem[];
	readonly notices: ConfigNotice[];
	/** The files that were read, in order. */
	readonly files: string[];
}

export function readSources(options: SourceOptions): Sources {
	const reader = new SourceReader();
	const file = reader.readMain(options);
	const environment = reader.readEnvironment(options.env);
	const commandLine = reader.readSets(options.sets);
	const include = [...reader.main, ...environment, ...commandLine].findLast(
		(assignment) => assignment.key === "include_dir",
	);
	const included = reader.readIncluded(include, file);
	return {
		assignments: [...reader.main, ...included, ...environment, ...commandLine],
		problems: reader.problems,
		notices: reader.notices,
		files: reader.files,
	};
}

class SourceReader {
	readonly problems: ConfigProblem[] = [];
	readonly notices: ConfigNotice[] = [];
	readonly files: string[] = [];
	main: SourcedAssignment[] = [];

	/** @returns the main file's path, or null when there is none */
	readMain(options: SourceOptions): string | null {
		const file = options.file ?? options.defaultFile;
		const main = this.#readFile(file, "file", options.file !== undefined);
		if (main === null) return null;
		this.main = main;
		return file;
	}

	readIncluded(
		setting: Assignment | undefined,
		mainFile: string | null,
	): SourcedAssignment[] {
		if (setting === undefined && mainFile === null) return [];
		const value = setting?.value ?? "conf.d";
		if (value === "" || value.toLowerCase() === "off") return [];
		const folder = resolve(mainFile === null ? "." : dirname(mainFile), value);
		let names: string[];
		try {
			names = readdirSync(folder);
		} catch (error) {
			if (setting !== undefined || errorCode(error) !== "ENOENT") {
				this.#problem(setting?.where ?? folder, "include_dir", value, error);
			}
			return [];
		}
		return names
			.filter((name) => name.endsWith(".conf") && !name.startsWith("."))
			.sort()
			.flatMap((name) => this.#readIncludedFile(join(folder, name)));
	}

	#readIncludedFile(file: string): SourcedAssignment[] {
		const assignments = this.#readFile(file, "include", true) ?? [];
		return assignments.filter((assignment) => {
			if (assignment.key !== "include_dir") return true;
			this.problems.push({
				...assignment,
				message: "an included file cannot include others",
			});
			return false;
		});
	}

	readEnvironment(env: NodeJS.ProcessEnv): SourcedAssignment[] {
		const assignments: SourcedAssignment[] = [];
		for (const name of Object.keys(env).sort()) {
			const rest = name.startsWith("BROKER_") ? name.slice(7) : "";
			if (rest === "") continue;
			if (namesAService(rest)) {
				this.notices.push({
					where: name,
					key: "",
					message:
						"looks like a variable that containers get about other services, and is not read",
				});
				continue;
			}
			// Shouted names are the usual form; a listener's name may need small letters.
			const key = (/[a-z]/.test(rest) ? rest : rest.toLowerCase()).replaceAll(
				"__",
				".",
			);
			const text = `${key}=${env[name] ?? ""}`;
			this.#add(assignments, text, name, "environment");
		}
		return assignments;
	}

	readSets(sets: readonly string[]): SourcedAssignment[] {
		const assignments: SourcedAssignment[] = [];
		for (const text of sets) {
			this.#add(assignments, text, "--set", "command line");
		}
		return assignments;
	}

	#add(
		assignments: SourcedAssignment[],
		text: string,
		where: string,
		kind: OriginKind,
	): void {
		const result = parseAssignment(text, where, false);
		if ("message" in result) this.problems.push(result);
		else assignments.push({ ...result, kind });
	}

	#readFile(
		file: string,
		kind: OriginKind,
		mustExist: boolean,
	): SourcedAssignment[] | null {
		let text: string;
		try {
			const bytes = readFileSync(file);
			text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
		} catch (error) {
			if (mustExist || errorCode(error) !== "ENOENT") {
				this.#problem(file, "", "", error);
			}
			return null;
		}
		this.files.push(file);
		const parsed = parseConfigText(text, file);
		this.problems.push(...parsed.problems);
		this.notices.push(...parsed.notices);
		return parsed.assignments.map((assignment) => ({ ...assignment, kind }));
	}

	#problem(where: string, key: string, value: string, error: unknown): void {
		this.problems.push({ where, key, value, message: inWords(error) });
	}
}

/**
 * Docker links and Kubernetes set variables such as BROKER_SERVICE_HOST and
 * BROKER_PORT_1883_TCP when another container is called "broker".
 */
function namesAService(rest: string): boolean {
	return /^(SERVICE_(HOST|PORT)(_\w+)?|PORT(_\d+_(TCP|UDP)(_\w+)?)?|NAME|ENV_\w+)$/.test(
		rest,
	);
}

function errorCode(error: unknown): string {
	return error instanceof Error && "code" in error ? String(error.code) : "";
}

function inWords(error: unknown): string {
	switch (errorCode(error)) {
		case "ENOENT":
			return "does not exist";
		case "EACCES":
		case "EPERM":
			return "may not be read by this user";
		case "EISDIR":
			return "is a folder, not a file";
		case "ENOTDIR":
			return "is not a folder";
		case "ERR_ENCODING_INVALID_ENCODED_DATA":
			return "is not UTF-8 text";
		default:
			return error instanceof Error ? error.message : String(error);
	}
}
