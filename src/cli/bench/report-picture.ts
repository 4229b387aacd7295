/**
 * The figures of runs as one picture (SVG) or page (HTML): nothing in it comes from elsewhere,
 * no script runs. For each scenario its rates over time, its latencies by percentile, and the
 * text that the terminal has. Pure.
 */

import { asText } from "./report-text.ts";
import type { BenchResult } from "./result.ts";
import type { Moment } from "./timeline.ts";
import { micros, perSecond } from "./words.ts";

const WIDTH = 860;
const LINE = 18;
const CHART_WIDTH = 400;
const CHART_HEIGHT = 150;
const LEFT = 20;
const GAP = 30;

/** One scenario with what was noted each second. */
export interface Chapter {
	readonly result: BenchResult;
	readonly moments: readonly Moment[];
}

/** @returns a whole file, by the ending of its name */
export function asFile(
	chapters: readonly Chapter[],
	isPage: boolean,
	madeAt: string,
): string {
	const picture = asSvg(chapters, madeAt);
	if (!isPage) return `<?xml version="1.0" encoding="UTF-8"?>\n${picture}`;
	return `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>broker bench</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>body{margin:2em auto;max-width:${WIDTH}px;font-family:sans-serif}svg{max-width:100%;height:auto}</style>
</head><body>
${picture}
<details><summary>All figures</summary><pre>${escaped(
		JSON.stringify(
			chapters.map(({ result }) => result),
			null,
			2,
		),
	)}</pre></details>
</body></html>
`;
}

function asSvg(chapters: readonly Chapter[], madeAt: string): string {
	let top = 50;
	const parts: string[] = [];
	for (const chapter of chapters) {
		const { body, height } = drawChapter(chapter, top);
		parts.push(body);
		top += height + GAP;
	}
	return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}" width="${WIDTH}" height="${top}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
<text x="${LEFT}" y="28" font-size="18">broker bench, ${escaped(madeAt)}</text>
${parts.join("\n")}
</svg>
`;
}

function drawChapter(
	{ result, moments }: Chapter,
	top: number,
): { body: string; height: number } {
	const lines = asText(result).trimEnd().split("\n");
	const text = lines.map((line, at) => {
		const weight = at === 0 ? ' font-weight="bold"' : "";
		const colour = line.includes("FAILED") ? ' fill="#b00"' : "";
		return `<text x="${LEFT}" y="${top + at * LINE}"${weight}${colour} xml:space="preserve">${escaped(line)}</text>`;
	});
	const chartTop = top + lines.length * LINE;
	const charts = [
		rates(result, moments, LEFT, chartTop),
		percentiles(result, LEFT + CHART_WIDTH + GAP, chartTop),
	].filter((chart) => chart !== "");
	return {
		body: [...text, ...charts].join("\n"),
		height:
			lines.length * LINE + (charts.length > 0 ? CHART_HEIGHT + 2 * LINE : 0),
	};
}

/** Messages, or connections, each second. */
function rates(
	{ shape, publishers, subscribers }: BenchResult,
	moments: readonly Moment[],
	left: number,
	top: number,
): string {
	if (moments.length < 2) return "";
	const series: (readonly [string, string, (one: Moment) => number])[] = [];
	if (publishers > 0) series.push(["published", "#06c", (one) => one.sentRate]);
	if (subscribers > 0)
		series.push(["delivered", "#c60", (one) => one.receivedRate]);
	if (shape === "connect")
		series.push(["connected", "#06c", (one) => one.connected]);
	const most = Math.max(
		1,
		...moments.flatMap((one) => series.map(([, , get]) => get(one))),
	);
	const last = moments.at(-1)?.seconds ?? 1;
	const x = (seconds: number) => left + (seconds / last) * CHART_WIDTH;
	const y = (value: number) =>
		top + CHART_HEIGHT - (value / most) * (CHART_HEIGHT - LINE);
	const drawn = series.map(([name, colour, get], at) => {
		const points = moments
			.map((one) => `${round(x(one.seconds))},${round(y(get(one)))}`)
			.join(" ");
		return `<polyline fill="none" stroke="${colour}" stroke-width="1.5" points="${points}"/><text x="${left + 90 * at}" y="${top + CHART_HEIGHT + LINE}" fill="${colour}">${name}</text>`;
	});
	const unit =
		shape === "connect" ? most.toLocaleString("en-GB") : perSecond(most);
	return [
		frame(left, top),
		`<text x="${left + 4}" y="${top + 14}" fill="#666">${unit}</text>`,
		`<text x="${left + CHART_WIDTH}" y="${top + CHART_HEIGHT + LINE}" fill="#666" text-anchor="end">${Math.round(last)} s</text>`,
		...drawn,
	].join("\n");
}

/** A bar for each percentile, on a logarithmic scale. */
function percentiles(result: BenchResult, left: number, top: number): string {
	const all =
		result.shape === "connect" ? result.connectMicros : result.latencyMicros;
	if (all === null) return "";
	const rows = [
		["p50", all.p50],
		["p95", all.p95],
		["p99", all.p99],
		["p99.9", all.p999],
		["most", all.max],
	] as const;
	const scale = Math.log10(Math.max(10, all.max));
	const height = CHART_HEIGHT / rows.length;
	const bars = rows.map(([name, value], at) => {
		const y = top + at * height;
		const share = Math.log10(Math.max(1, value)) / scale;
		const width = round(Math.max(1, share * (CHART_WIDTH - 120)));
		return `<rect x="${left + 44}" y="${round(y + 4)}" width="${width}" height="${round(height - 8)}" fill="#7ab"/><text x="${left + 38}" y="${round(y + height / 2 + 4)}" text-anchor="end">${name}</text><text x="${left + 50 + width}" y="${round(y + height / 2 + 4)}">${micros(value)}</text>`;
	});
	const title = result.shape === "connect" ? "CONNACK" : "latency";
	return [
		...bars,
		`<text x="${left + 44}" y="${top + CHART_HEIGHT + LINE}" fill="#666">${title}, logarithmic</text>`,
	].join("\n");
}

function frame(left: number, top: number): string {
	return `<rect x="${left}" y="${top}" width="${CHART_WIDTH}" height="${CHART_HEIGHT}" fill="none" stroke="#ccc"/>`;
}

function round(value: number): number {
	return Math.round(value * 10) / 10;
}

function escaped(text: string): string {
	return text
		.replaceAll("&", "&amp;")
		.replaceAll("<", "&lt;")
		.replaceAll(">", "&gt;")
		.replaceAll('"', "&quot;");
}
