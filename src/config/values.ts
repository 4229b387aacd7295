/**
 * One value: from the text of the file to what the program uses, and back.
 * Pure functions; which forms are allowed follows from the field alone.
 */
import { isIPv4, isIPv6 } from "node:net";
import { resolve } from "node:path";
import type { ConfigValue, FieldSpec } from "../platform/config-field.ts";

/** The text is not a value of its field; the message says what is allowed. */
export class ValueError extends Error {
	override readonly name = "ValueError";
}

const MS: Readonly<Record<string, number>> = {
	ms: 1,
	s: 1000,
	min: 60_000,
	m: 60_000,
	h: 3_600_000,
	d: 86_400_000,
	w: 7 * 86_400_000,
	mo: 30 * 86_400_000,
	y: 365 * 86_400_000,
};
const BYTES: Readonly<Record<string, number>> = {
	"": 1,
	b: 1,
	k: 1024,
	kb: 1024,
	kib: 1024,
	m: 1024 ** 2,
	mb: 1024 ** 2,
	mib: 1024 ** 2,
	g: 1024 ** 3,
	gb: 1024 ** 3,
	gib: 1024 ** 3,
};
const FLAGS: Readonly<Record<string, boolean>> = {
	on: true,
	true: true,
	yes: true,
	off: false,
	false: false,
	no: false,
};

/**
 * The value that `text` stands for, normalised: milliseconds, bytes, booleans, Infinity.
 * @throws ValueError when it is none of this field's
 */
export function parseValue(field: FieldSpec, text: string): ConfigValue {
	const lower = text.toLowerCase();
	if (field.noLimit?.includes(lower)) return Number.POSITIVE_INFINITY;
	const word = ownEntry(field.aliases, lower);
	switch (field.type) {
		case "flag":
			return ownEntry(FLAGS, lower) ?? refuse(field);
		case "integer":
			if (!/^[+-]?\d+$/.test(text)) refuse(field);
			return inRange(field, Number(text));
		case "duration":
			return inRange(field, Math.round(milliseconds(field, lower)));
		case "seconds":
			return inRange(field, Math.round(milliseconds(field, lower) / 1000));
		case "size":
			return inRange(field, Math.round(measure(field, lower, "", BYTES)));
		case "choice":
			return oneOf(field, word ?? lower);
		case "list":
			return listOf(field, text);
		case "addresses":
			return lower === "off" || text === "" ? [] : addressesOf(text);
		case "path":
			return (word ?? text) === "" ? "" : resolve(word ?? text);
		case "text":
			return word ?? text;
	}
}

/** The value in the form it would have in the file; {@link parseValue} reads it back. */
export function formatValue(field: FieldSpec, value: ConfigValue): string {
	if (value === Number.POSITIVE_INFINITY) {
		return field.noLimit?.[0] ?? "unlimited";
	}
	if (typeof value === "boolean") return value ? "on" : "off";
	if (typeof value === "string") return value;
	if (typeof value !== "number") {
		const none = field.type === "addresses" ? "off" : "";
		return value.length === 0 ? none : value.join(", ");
	}
	switch (field.type) {
		case "duration":
			return withUnit(value, [
				[MS.y ?? 1, "y"],
				[MS.d ?? 1, "d"],
				[MS.h ?? 1, "h"],
				[MS.min ?? 1, "min"],
				[1000, "s"],
				[1, "ms"],
			]);
		case "seconds":
			return `${value}s`;
		case "size":
			return withUnit(value, [
				[1024 ** 3, "GB"],
				[1024 ** 2, "MB"],
				[1024, "KB"],
				[1, "B"],
			]);
		default:
			return String(value);
	}
}

/** What a field allows, in words: `a whole number from 1 to 65535, or unlimited`. */
export function describeRange(field: FieldSpec): string {
	const parts: string[] = [];
	switch (field.type) {
		case "flag":
			return "on or off";
		case "choice":
			return `one of ${(field.values ?? []).join(", ")}`;
		case "list":
			return field.values === undefined
				? "words separated by commas"
				: `some of ${field.values.join(", ")}, separated by commas`;
		case "addresses":
			return "host:port, several separated by commas, or off";
		case "text":
			return "text";
		case "path":
			return "a path";
		case "integer":
			parts.push("a whole number");
			break;
		case "size":
			parts.push("a size in B, KB, MB or GB");
			break;
		default:
			parts.push(
				`a time in ${field.monthly ? "s, min, h, d, w, m (month) or y" : "ms, s, min, h, d or w"}`,
			);
	}
	if (field.min !== undefined) {
		parts.push(`from ${formatValue(field, field.min)}`);
	}
	if (field.max !== undefined)
		parts.push(`to ${formatValue(field, field.max)}`);
	const range = parts.join(" ");
	return field.noLimit === undefined
		? range
		: `${range}, or ${field.noLimit.join(" or ")} for no limit`;
}

function refuse(field: FieldSpec): never {
	throw new ValueError(`must be ${describeRange(field)}`);
}

/** An entry of a table that came from the outside: `constructor` is not one. */
function ownEntry<V>(
	table: Readonly<Record<string, V>> | undefined,
	key: string,
): V | undefined {
	return table !== undefined && Object.hasOwn(table, key)
		? table[key]
		: undefined;
}

function inRange(field: FieldSpec, value: number): number {
	const { min = 0, max = Number.MAX_SAFE_INTEGER } = field;
	if (!(value >= min && value <= max)) refuse(field);
	return value === 0 ? 0 : value; // "-0" is 0
}

function milliseconds(field: FieldSpec, text: string): number {
	const units = field.monthly ? { ...MS, m: MS.mo ?? 1 } : MS;
	return measure(field, text, field.unit === "ms" ? "ms" : "s", units);
}

function measure(
	field: FieldSpec,
	text: string,
	bareUnit: string,
	units: Readonly<Record<string, number>>,
): number {
	const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/.exec(text);
	if (match === null) return refuse(field);
	const factor = ownEntry(units, match[2] || bareUnit);
	return factor === undefined ? refuse(field) : Number(match[1]) * factor;
}

function oneOf(field: FieldSpec, word: string): string {
	return field.values?.includes(word) ? word : refuse(field);
}

function listOf(field: FieldSpec, text: string): readonly string[] {
	const words = text
		.replace(/^\[(.*)\]$/, "$1")
		.split(",")
		.map((word) => word.trim())
		.filter((word) => word !== "");
	if (field.values === undefined) return words;
	if (words.length === 0) refuse(field);
	return [...new Set(words.map((word) => oneOf(field, word.toLowerCase())))];
}

function withUnit(
	value: number,
	units: ReadonlyArray<readonly [number, string]>,
): string {
	if (value === 0) return "0";
	const unit = units.find(([factor]) => value % factor === 0);
	return unit === undefined ? String(value) : `${value / unit[0]}${unit[1]}`;
}

function addressesOf(text: string): readonly string[] {
	return text.split(",").map((part) => {
		const address = part.trim();
		parseAddress(address);
		return address;
	});
}

/** Where a listener listens. */
export interface ListenAddress {
	/** Without brackets. */
	readonly host: string;
	readonly port: number;
}

/** @throws ValueError when the text is not `host:port` */
export function parseAddress(text: string): ListenAddress {
	const match = /^(?:\[([^\]]*)\]|([^:\s]+)):(\d{1,5})$/.exec(text);
	if (match === null) {
		throw new ValueError(
			`${JSON.stringify(text)} is not an address: it must be host:port, such as 0.0.0.0:1883 or [::1]:1883`,
		);
	}
	const host = match[1] ?? match[2] ?? "";
	const port = Number(match[3]);
	if (port > 65535) {
		throw new ValueError(`port ${port} is not in the range from 0 to 65535`);
	}
	const valid =
		match[1] === undefined ? isIPv4(host) || isHostName(host) : isIPv6(host);
	if (!valid) {
		throw new ValueError(
			`${JSON.stringify(host)} is neither an IP address nor a host name`,
		);
	}
	return { host, port };
}

function isHostName(host: string): boolean {
	// Four numbers with dots that are not an IPv4 address are a mistake, not a name.
	return (
		/^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9])?$/.test(host) &&
		!/^[\d.]+$/.test(host) &&
		host.length <= 253
	);
}
