/**
 * From a log call to one line of text. Pure.
 *
 * Messages and values may hold what a client has sent (its id, a topic): nothing in
 * them can end the line, begin another, steer a terminal or reorder what is read.
 */

/** From the worst to the most talkative. */
export const levels = ["error", "warning", "info", "debug", "trace"] as const;
export type Level = (typeof levels)[number];

/** What can stand behind a key. Never a secret, never payload. */
export type LogValue =
	| string
	| number
	| bigint
	| boolean
	| null
	| undefined
	| Error;

/** Keys are the caller's own words; a value of `undefined` leaves the key out. */
export type LogFields = Readonly<Record<string, LogValue>>;

/** Makes a line, without a line end. */
export type LineFormat = (
	wallMs: number,
	level: Level,
	logClass: string,
	message: string,
	fields: LogFields | undefined,
) => string;

/** Longer values are cut: a topic may have 65,535 bytes. */
const MAX_VALUE_LENGTH = 256;
const MAX_MESSAGE_LENGTH = 1024;

/** sd-daemon(3): err, warning, info, debug; there is nothing below debug. */
const priorities: Readonly<Record<Level, number>> = {
	error: 3,
	warning: 4,
	info: 6,
	debug: 7,
	trace: 7,
};

/**
 * C0 and C1 controls (line ends, ANSI escapes), DEL, Unicode line ends, marks that
 * reorder or hide text, and halves of surrogate pairs.
 */
const unsafe =
	/[\p{Cc}\p{Cs}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;
/** Printable ASCII that needs neither quotes nor escapes: nearly all that is ever logged. */
const isPlain = /^[!#-<>-[\]-~]+$/;
/** The same for a message, which may have spaces, quotes and the like. */
const isPlainMessage = /^[ -~]*$/;
/** What makes a value need quotes in `key=value`. */
const needsQuotes = /[\s"=\\]|^$/u;

const shortEscapes: Readonly<Record<string, string>> = {
	"\n": "\\n",
	"\r": "\\r",
	"\t": "\\t",
};

function escapeUnsafe(character: string): string {
	const short = shortEscapes[character];
	if (short !== undefined) return short;
	return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function cut(text: string, length: number): string {
	if (text.length <= length) return text;
	const last = text.charCodeAt(length - 1);
	const splitsPair = last >= 0xd800 && last <= 0xdbff;
	return `${text.slice(0, splitsPair ? length - 1 : length)}…`;
}

/** An error with its causes, the way a person would say it. */
function errorText(error: Error): string {
	let text = error.message || error.name;
	let cause = error.cause;
	for (let depth = 0; cause instanceof Error && depth < 4; depth++) {
		text += `: ${cause.message || cause.name}`;
		cause = cause.cause;
	}
	return text;
}

function quoted(value: LogValue): string {
	if (typeof value !== "string" && !(value instanceof Error))
		return String(value);
	const whole = typeof value === "string" ? value : errorText(value);
	const text = cut(whole, MAX_VALUE_LENGTH);
	if (isPlain.test(text)) return text;
	const escaped = text
		.replaceAll("\\", "\\\\")
		.replaceAll('"', '\\"')
		.replace(unsafe, escapeUnsafe);
	return needsQuotes.test(escaped) ? `"${escaped}"` : escaped;
}

function body(
	logClass: string,
	message: string,
	fields: LogFields | undefined,
): string {
	const whole = cut(message, MAX_MESSAGE_LENGTH);
	const text = isPlainMessage.test(whole)
		? whole
		: whole.replace(unsafe, escapeUnsafe);
	let line = `${logClass} ${text}`;
	for (const key in fields) {
		const value = fields[key];
		if (value !== undefined) line += ` ${key}=${quoted(value)}`;
	}
	return line;
}

function jsonValue(value: LogValue): string {
	if (typeof value === "bigint") return `"${value}"`;
	if (value instanceof Error) return jsonText(errorText(value));
	return typeof value === "string" ? jsonText(value) : JSON.stringify(value);
}

function jsonText(text: string, maxLength = MAX_VALUE_LENGTH): string {
	return JSON.stringify(cut(text, maxLength)).replace(unsafe, escapeUnsafe);
}

const reservedKeys: readonly string[] = ["time", "level", "class", "message"];

let lastSecond = Number.NaN;
/** `2026-11-20T10:00:00.` of {@link lastSecond}: many clients come in one second. */
let lastSecondText = "";

/** As `Date.toISOString`. */
function isoTime(wallMs: number): string {
	const second = Math.floor(wallMs / 1000);
	if (second !== lastSecond) {
		lastSecond = second;
		lastSecondText = new Date(second * 1000).toISOString().slice(0, -4);
	}
	const ms = Math.floor(wallMs) - second * 1000;
	return `${lastSecondText}${String(ms).padStart(3, "0")}Z`;
}

const text: LineFormat = (wallMs, level, logClass, message, fields) =>
	`${isoTime(wallMs)} ${level} ${body(logClass, message, fields)}`;

const systemd: LineFormat = (_wallMs, level, logClass, message, fields) =>
	`<${priorities[level]}>${body(logClass, message, fields)}`;

const json: LineFormat = (wallMs, level, logClass, message, fields) => {
	const time = isoTime(wallMs);
	const said = jsonText(message, MAX_MESSAGE_LENGTH);
	let line = `{"time":"${time}","level":"${level}","class":"${logClass}","message":${said}`;
	for (const key in fields) {
		const value = fields[key];
		if (value === undefined) continue;
		const name = reservedKeys.includes(key) ? `${key}_` : key;
		line += `,${JSON.stringify(name)}:${jsonValue(value)}`;
	}
	return `${line}}`;
};

/**
 * `text` for a person: `2026-11-20T10:00:00.000Z info access client connected client=dev1`;
 * `systemd` for the journal, which adds the time itself: `<6>access client connected client=dev1`;
 * `json` for machines, one object a line.
 */
export const lineFormats = { text, systemd, json } as const;
export type LogFormat = keyof typeof lineFormats;
