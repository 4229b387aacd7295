/** What the conversion of a mosquitto.conf comes to: our file's text and a report. Types, and small makers. */
import { quoteValue } from "../../config/parse.ts";
import type { ConfLine } from "./conf-file.ts";
import { isSecret } from "./options.ts";

export const statuses = [
	"protected",
	"mapped",
	"mapped with a difference",
	"not mapped",
	"later",
	"not needed",
	"unknown",
] as const;
export type Status = (typeof statuses)[number];

/** What became of one line of mosquitto's; or of what it does without being told. */
export interface Finding {
	readonly status: Status;
	/** `FILE:LINE`; empty for a default. */
	readonly where: string;
	/** As it is written, secrets masked. */
	readonly text: string;
	/** What it has become, and what is different; why it has become nothing. */
	readonly words: string;
}

export function placeOf({ file, line }: ConfLine): string {
	return `${file}:${line}`;
}

/** @returns `option value`, fit to be shown */
export function shown({ option, value }: ConfLine): string {
	return `${option} ${isSecret(option) ? "***" : printable(value)}`.trim();
}

export function finding(
	line: ConfLine,
	status: Status,
	words: string,
): Finding {
	return { status, where: placeOf(line), text: shown(line), words };
}

/** A line of our file, with where it comes from. */
export function setting(
	key: string,
	value: string,
	origin: ConfLine | null,
): string {
	const from = origin === null ? "" : ` # ${placeOf(origin)}`;
	return `${key} = ${quoteValue(value)}${from}`;
}

/** A line of mosquitto's that is kept as a comment. */
export function kept(line: ConfLine): string {
	return `#   ${shown(line)} # ${placeOf(line)}`;
}

function printable(text: string): string {
	return text.replaceAll(/\p{C}/gu, "?");
}
