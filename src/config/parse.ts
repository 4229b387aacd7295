/**
 * The text of a configuration file, line by line: `key = value`.
 *
 * A line that begins with # is a comment. After a value a comment begins with # that
 * has a space before it, so `sensors/#` is a value as it stands; a value that has
 * " #" in it goes into quotes. Within "double quotes" \" and \\ stand for " and \;
 * within 'single quotes' everything is itself. Windows line ends and a byte order
 * mark are skipped. Pure functions: nothing here knows which keys exist.
 */

import type { ConfigNotice, ConfigProblem } from "./problems.ts";

/** Words and dots; between the first and the last dot there may be a topic filter. */
const KEY = /^[\w-]+(\.(.*\.)?[\w-]+)?$/;

/** One `key = value` and where it stands. */
export interface Assignment {
	readonly key: string;
	readonly value: string;
	/** `FILE:LINE`, `--set` or the name of an environment variable. */
	readonly where: string;
}

export interface ParsedText {
	readonly assignments: Assignment[];
	readonly problems: ConfigProblem[];
	readonly notices: ConfigNotice[];
}

/** Reads a whole file's text. Of a key that is there twice, the later line counts. */
export function parseConfigText(text: string, file: string): ParsedText {
	const parsed: ParsedText = { assignments: [], problems: [], notices: [] };
	const seen = new Map<string, string>();
	const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/);
	for (const [index, line] of lines.entries()) {
		const trimmed = line.trim();
		if (trimmed === "" || trimmed.startsWith("#")) continue;
		const where = `${file}:${index + 1}`;
		const result = parseAssignment(trimmed, where, true);
		if ("message" in result) {
			parsed.problems.push(result);
			continue;
		}
		const earlier = seen.get(result.key);
		if (earlier !== undefined) {
			parsed.notices.push({
				where,
				key: result.key,
				message: `was set before at ${earlier}; this line counts`,
			});
		}
		seen.set(result.key, where);
		parsed.assignments.push(result);
	}
	return parsed;
}

/**
 * Reads one `key = value`.
 * @param comments a # after the value begins a comment; not on a command line
 */
export function parseAssignment(
	text: string,
	where: string,
	comments: boolean,
): Assignment | ConfigProblem {
	const equals = text.indexOf("=");
	// Without a "=" only the first word is shown: what follows may be a password.
	const key =
		equals < 0
			? text.trim().replace(/\s.*$/s, " ...")
			: text.slice(0, equals).trim();
	const rest = equals < 0 ? "" : text.slice(equals + 1).trim();
	const problem = (message: string): ConfigProblem => ({
		where,
		key: printable(key),
		value: equals < 0 || looksSecret(key) ? "" : printable(rest),
		message,
	});
	if (equals < 0) return problem("is not of the form key = value");
	if (!KEY.test(key)) {
		return problem(
			"is not a key: it may have letters, digits, dots, - and _ only, and a topic filter between two dots",
		);
	}
	const value = parseText(rest, comments);
	if (value === null) {
		return problem("has a quote that does not end, or text after it");
	}
	if (hasControlCharacter(value)) return problem("has a control character");
	return { key, value, where };
}

/** A value in the form that {@link parseConfigText} reads back as it was. */
export function quoteValue(value: string): string {
	if (value === "") return '""';
	const plain =
		value.trim() === value && !/^["'#]/.test(value) && !/\s#/.test(value);
	return plain ? value : `"${value.replace(/["\\]/g, "\\$&")}"`;
}

/** Whether a key's name says that its value should not be shown. */
export function looksSecret(key: string): boolean {
	return (
		/(password|passwd|secret|token|api_?key|cookie|psk|credential)/i.test(
			key,
		) && !/(file|path|dir|interval)$/i.test(key)
	);
}

function parseText(rest: string, comments: boolean): string | null {
	const quoted =
		/^"((?:[^"\\]|\\.)*)"\s*(.*)$/s.exec(rest) ??
		/^'([^']*)'\s*(.*)$/s.exec(rest);
	if (quoted !== null) {
		const after = quoted[2] ?? "";
		if (after !== "" && !(comments && after.startsWith("#"))) return null;
		const inside = quoted[1] ?? "";
		return rest.startsWith("'") ? inside : inside.replace(/\\(["\\])/g, "$1");
	}
	if (/^["']/.test(rest)) return null;
	const comment = comments ? rest.search(/(?:^|\s)#/) : -1;
	return comment < 0 ? rest : rest.slice(0, comment).trim();
}

function hasControlCharacter(text: string): boolean {
	for (let i = 0; i < text.length; i++) {
		const code = text.charCodeAt(i);
		if ((code < 0x20 && code !== 0x09) || code === 0x7f) return true;
	}
	return false;
}

/** Text from a file, fit for a terminal. */
export function printable(text: string): string {
	let clean = "";
	for (const character of text) {
		const code = character.codePointAt(0) ?? 0;
		clean += code < 0x20 || (code >= 0x7f && code < 0xa0) ? "?" : character;
	}
	return clean.length > 200 ? `${clean.slice(0, 200)}...` : clean;
}
