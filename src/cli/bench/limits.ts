/** Limits of a run: `p99 = 20ms` fails it when 99 % took longer. Pure. */
import { parseValue, ValueError } from "../../config/values.ts";
import type { FieldSpec } from "../../platform/config-field.ts";
import { inBytes } from "../../platform/words.ts";
import type { BenchResult } from "./result.ts";
import { micros, perSecond } from "./words.ts";

const ANY_FIELD = { key: "", default: "0", runtime: true, doc: "" };

interface Figure {
	readonly type: "time" | "integer" | "size";
	/** The limit is the least allowed, not the most. */
	readonly isLeast?: boolean;
	/** In microseconds, bytes, or a count; null when the run does not tell. */
	read(result: BenchResult): number | null;
}

const latency = (
	name: "p50" | "p95" | "p99" | "p999" | "max",
): readonly [string, Figure] => [
	name,
	{
		type: "time",
		read: ({ latencyMicros }) => latencyMicros?.[name] ?? null,
	},
];

const figures: ReadonlyMap<string, Figure> = new Map<string, Figure>([
	latency("p50"),
	latency("p95"),
	latency("p99"),
	latency("p999"),
	latency("max"),
	["lost", { type: "integer", read: ({ lost }) => lost }],
	["duplicates", { type: "integer", read: ({ duplicates }) => duplicates }],
	["reordered", { type: "integer", read: ({ reordered }) => reordered }],
	["disconnects", { type: "integer", read: ({ disconnects }) => disconnects }],
	["refused", { type: "integer", read: ({ refused }) => refused }],
	[
		"publish_rate",
		{
			type: "integer",
			isLeast: true,
			read: ({ publishRate }) => publishRate,
		},
	],
	[
		"deliver_rate",
		{
			type: "integer",
			isLeast: true,
			read: ({ deliverRate }) => deliverRate,
		},
	],
	[
		"connect_rate",
		{
			type: "integer",
			isLeast: true,
			read: ({ connectRate }) => connectRate,
		},
	],
	[
		"connect_p99",
		{ type: "time", read: ({ connectMicros }) => connectMicros.p99 },
	],
	[
		"broker_cpu",
		{
			type: "time",
			read: ({ broker }) => broker?.cpuMicrosPerMessage ?? null,
		},
	],
	[
		"broker_rss",
		{ type: "size", read: ({ broker }) => broker?.rssBytes ?? null },
	],
]);

export interface Limit {
	readonly figure: string;
	/** Microseconds, bytes, or a count. */
	readonly bound: number;
	/** Where it is written, for who looks for it. */
	readonly where: string;
}

/** One limit and what the run had; shaped for `--json`. */
export interface Verdict {
	readonly figure: string;
	readonly bound: number;
	/** null when the run could not tell, which fails. */
	readonly value: number | null;
	readonly passed: boolean;
	/** `p99 3.2 ms, at most 20 ms`. */
	readonly words: string;
}

export const limitNames: readonly string[] = [...figures.keys()];

/** @throws ValueError when there is no such figure, or the value is none of its */
export function parseLimit(figure: string, text: string, where: string): Limit {
	const known = figures.get(figure);
	if (known === undefined)
		throw new ValueError(
			`there is no figure ${figure}: it must be one of ${limitNames.join(", ")}`,
		);
	return { figure, bound: boundOf(known, text), where };
}

const MICROS: ReadonlyMap<string, number> = new Map([
	["us", 1],
	["ms", 1000],
	["s", 1e6],
	["min", 60e6],
	["h", 3600e6],
]);

function boundOf({ type }: Figure, text: string): number {
	if (type === "integer" || type === "size") {
		const field: FieldSpec = { ...ANY_FIELD, type };
		return parseValue(field, text) as number;
	}
	// Not as a duration of the configuration: that is in whole milliseconds.
	const [, number, unit = ""] =
		/^(\d+(?:\.\d+)?)\s*([a-z]+)$/.exec(text.toLowerCase()) ?? [];
	const factor = MICROS.get(unit);
	if (factor === undefined)
		throw new ValueError(
			`must be a time in ${[...MICROS.keys()].join(", ")}, such as 2.5ms`,
		);
	return Number(number) * factor;
}

export function judge(
	limits: readonly Limit[],
	result: BenchResult,
): Verdict[] {
	return limits.map(({ figure, bound }) => {
		const known = figures.get(figure) as Figure;
		const value = known.read(result);
		const isLeast = known.isLeast === true;
		const passed =
			value !== null && (isLeast ? value >= bound : value <= bound);
		const had = value === null ? "is not known" : inWords(known, value);
		const words = `${figure} ${had}, ${isLeast ? "at least" : "at most"} ${inWords(known, bound)}`;
		return { figure, bound, value, passed, words };
	});
}

function inWords({ type, isLeast }: Figure, value: number): string {
	if (type === "size") return inBytes(value);
	if (type !== "integer") return micros(value);
	return isLeast === true ? perSecond(value) : value.toLocaleString("en-GB");
}
