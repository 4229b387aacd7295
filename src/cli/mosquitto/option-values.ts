/** Values of mosquitto's options in the form that they have in ours. Pure. */

/** `difference`: what the value cannot say here; a text without `value`: why there is none. */
export type ConvertedValue =
	| { readonly value: string; readonly difference?: string }
	| { readonly value: null; readonly difference: string };

export type Convert = (text: string) => ConvertedValue;

const MANY_BYTES = 1024 ** 2;

/** As mosquitto reads it: `true`, `1`, `false`, `0`; null for anything else. */
export function truth(text: string): boolean | null {
	const [word = ""] = text.split(/\s/, 1);
	if (word === "true" || word === "1") return true;
	return word === "false" || word === "0" ? false : null;
}

export function flag(text: string): ConvertedValue {
	const value = truth(text);
	if (value === null) return unusable("is neither true nor false");
	return { value: value ? "on" : "off" };
}

/** A whole number at the beginning; null when there is none. */
export function number(text: string): number | null {
	const digits = /^[+-]?\d+/.exec(text)?.[0];
	return digits === undefined ? null : Number(digits);
}

/**
 * @param none what it is called here when there is no limit
 * @param least what is allowed here
 * @param isNone whether mosquitto takes the number for "no limit"
 */
export function limitOr(
	none: string,
	least: number,
	isNone: (value: number) => boolean,
	unit: "" | "s" | "B" = "",
): Convert {
	return (text) => {
		const value = number(text);
		if (value === null) return unusable("is not a number");
		if (isNone(value)) return { value: none };
		if (value >= least) return { value: inUnits(value, unit) };
		return {
			value: inUnits(least, unit),
			difference: `${inUnits(least, unit)} is the least here`,
		};
	};
}

/** @param isLeftOut when it is too small: then the default is better than the least */
export function clippedSize(leastBytes: number, isLeftOut = false): Convert {
	return (text) => {
		const bytes = number(text);
		if (bytes === null) return unusable("is not a number");
		if (bytes <= 0)
			return unusable("means no limit; the broker's own default holds");
		if (bytes >= leastBytes) return { value: inUnits(bytes, "B") };
		const least = inUnits(leastBytes, "B");
		if (isLeftOut)
			return unusable(`is less than ${least}, which is the least here`);
		return { value: least, difference: `${least} is the least here` };
	};
}

/** A number and one of h d w m y; m is a month. */
export function period(text: string): ConvertedValue {
	const match = /^(\d+)([hdwmy])(\s|$)/.exec(text);
	if (match === null || Number(match[1]) === 0)
		return unusable("is not a number and one of h d w m y");
	return { value: `${Number(match[1])}${match[2]}` };
}

/** In seconds; Infinity for what is no period. */
export function periodSeconds(text: string): number {
	const match = /^(\d+)([hdwmy])/.exec(text);
	const days: Readonly<Record<string, number>> = { d: 1, w: 7, m: 30, y: 365 };
	const unit = match?.[2] ?? "";
	const seconds = unit === "h" ? 3600 : (days[unit] ?? 0) * 86_400;
	return Number(match?.[1] ?? 0) * seconds || Number.POSITIVE_INFINITY;
}

export function listOfVersions(text: string): ConvertedValue {
	const versions = text
		.split(/[\s,]+/)
		.filter((word) => word === "3" || word === "4" || word === "5");
	if (versions.length === 0) return unusable("names no version of MQTT");
	return { value: [...new Set(versions)].join(",") };
}

export function unusable(difference: string): ConvertedValue {
	return { value: null, difference };
}

function inUnits(value: number, unit: "" | "s" | "B"): string {
	if (unit !== "B") return `${value}${unit}`;
	if (value % MANY_BYTES === 0) return `${value / MANY_BYTES}MB`;
	return value % 1024 === 0 ? `${value / 1024}KB` : `${value}B`;
}
