/** The tables of `npm run bench`: medians, side by side, as ratios. Pure. */
import type { BenchResult } from "../../src/cli/bench/result.ts";
import { medianOf } from "./pinning.ts";
import type { RivalName, StartFigures } from "./rival.ts";
import { type RivalScenario, rowsOf, START } from "./rival-scenarios.ts";

const MIB = 1024 * 1024;
const BUSY_SHARE = 0.9;
/** CPU time is counted in steps of 10 ms: less than this says little. */
const LEAST_CPU_SECONDS = 0.3;

export interface RivalRun {
	readonly repeat: number;
	readonly scenario: string;
	readonly rival: RivalName;
	readonly start: StartFigures;
	/** null for the start alone. */
	readonly result: BenchResult | null;
}

type Get<T> = (one: T) => number | null;

export function report(
	scenarios: readonly RivalScenario[],
	runs: readonly RivalRun[],
): string {
	const tables = [mainTable(scenarios, runs)];
	if (scenarios.some(({ hasLatency }) => hasLatency))
		tables.push(latencyTable(scenarios, runs));
	tables.push(startTable(runs));
	const heading =
		"Medians; a ratio is ours / mosquitto: of CPU time, memory and latency it is better\n" +
		"below 1, of rates above 1. CPU time per message is what other load on the machine\n" +
		"changes least. I counts connections instead of messages.";
	return [heading, ...tables.map(format)].join("\n\n");
}

function mainTable(
	scenarios: readonly RivalScenario[],
	runs: readonly RivalRun[],
): string[][] {
	const table = [
		[
			"scenario",
			"CPU us each",
			"mosquitto",
			"ratio",
			"a second",
			"mosquitto",
			"ratio",
			"peak MiB",
			"mosquitto",
			"notes",
		],
	];
	for (const scenario of scenarios) {
		const own = runs.filter(({ scenario: id }) => id === scenario.id);
		if (own.length === 0) continue;
		const peak = (one: BenchResult) =>
			one.broker === null ? null : one.broker.rssPeakBytes / MIB;
		for (const row of rowsOf(scenario))
			table.push([
				row.name,
				...compared(own, (one) => row.cpuMicros(one), 2),
				...compared(own, (one) => row.rate(one), 0),
				...compared(own, peak, 0).slice(0, 2),
				notes(own, scenario.isFlood),
			]);
	}
	return table;
}

function latencyTable(
	scenarios: readonly RivalScenario[],
	runs: readonly RivalRun[],
): string[][] {
	const shares = ["p50", "p99", "p999"] as const;
	const table = [
		[
			"latency in us",
			...shares.flatMap((share) => [share, "mosquitto", "ratio"]),
			"",
		],
	];
	for (const { id, title, hasLatency } of scenarios) {
		const own = runs.filter(({ scenario }) => scenario === id);
		if (!hasLatency || own.length === 0) continue;
		table.push([
			`${id} ${title}`,
			...shares.flatMap((share) =>
				compared(own, ({ latencyMicros }) => latencyMicros?.[share] ?? null, 0),
			),
			"",
		]);
	}
	return table;
}

/** Of every run, as each has a start of its own. */
function startTable(runs: readonly RivalRun[]): string[][] {
	const row = (
		name: string,
		get: (start: StartFigures) => number,
		digits: number,
	) => {
		const of = (rival: RivalName) =>
			medianOf(
				runs.filter((run) => run.rival === rival),
				({ start }) => get(start),
			);
		return [`${START} ${name}`, ...pair(of("broker"), of("mosquitto"), digits)];
	};
	return [
		["start", "broker", "mosquitto", "ratio"],
		row("to the first CONNACK, ms", ({ startMs }) => startMs, 0),
		row("CPU time, ms", ({ cpuMs }) => cpuMs, 0),
		row("RSS then, MiB", ({ rssBytes }) => rssBytes / MIB, 1),
	];
}

/** Ours, theirs, the ratio. */
function compared(
	runs: readonly RivalRun[],
	get: Get<BenchResult>,
	digits: number,
): string[] {
	const of = (rival: RivalName) => {
		const values = runs
			.filter((run) => run.rival === rival)
			.map(({ result }) => (result === null ? null : get(result)))
			.filter((value) => value !== null);
		return medianOf(values, (value) => value);
	};
	return pair(of("broker"), of("mosquitto"), digits);
}

function pair(ours: number, theirs: number, digits: number): string[] {
	const text = (value: number, places: number) =>
		Number.isFinite(value) ? value.toFixed(places) : "-";
	return [text(ours, digits), text(theirs, digits), text(ours / theirs, 2)];
}

/** What makes a row less trustworthy. */
function notes(runs: readonly RivalRun[], isFlood: boolean): string {
	const words: string[] = [];
	for (const rival of ["broker", "mosquitto"] as const) {
		const results = runs
			.filter((run) => run.rival === rival)
			.map(({ result }) => result)
			.filter((result) => result !== null);
		if (results.length === 0) continue;
		const lost = results.reduce((sum, one) => sum + one.lost, 0);
		const twice = results.reduce((sum, one) => sum + one.duplicates, 0);
		if (lost > 0) words.push(`${rival} lost ${lost}`);
		if (twice > 0) words.push(`${rival} sent ${twice} twice`);
		const seconds = medianOf(results, (one) => one.broker?.cpuSeconds ?? 0);
		if (seconds < LEAST_CPU_SECONDS)
			words.push(`${rival}: ${Math.round(seconds * 1000)} ms of CPU time`);
		const share = medianOf(results, (one) => one.broker?.cpuShare ?? 0);
		const own = medianOf(results, (one) => one.generator.cpuShare);
		if (isFlood && share < BUSY_SHARE)
			words.push(
				`${rival} used ${percent(share)} of its core, the generator ${percent(own)}`,
			);
	}
	return words.join(", ");
}

function percent(share: number): string {
	return `${Math.round(share * 100)} %`;
}

/** Words to the left, figures to the right. */
function format(rows: string[][]): string {
	const widths = (rows[0] ?? []).map((_, column) =>
		Math.max(...rows.map((row) => (row[column] ?? "").length)),
	);
	return rows
		.map((row) =>
			row
				.map((cell, column) =>
					column === 0 || column === 9
						? cell.padEnd(widths[column] ?? 0)
						: cell.padStart(widths[column] ?? 0),
				)
				.join("  ")
				.trimEnd(),
		)
		.join("\n");
}
