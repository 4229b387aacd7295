/**
 * Draws measured curves as SVG: panels side by side, logarithmic axes, one line for each
 * series. Colours follow the reader's light or dark scheme. Pure.
 */

export interface Series {
	readonly name: string;
	/** By rising x; all above 0. */
	readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Panel {
	readonly title: string;
	readonly xLabel: string;
	readonly series: readonly Series[];
}

const WIDTH = 400;
const HEIGHT = 300;
const LEFT = 52;
const RIGHT = 14;
const TOP = 34;
const BOTTOM = 56;
const LEGEND_STEP = 120;

const STYLE = `
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 }
.grid { stroke: #d0d7de; stroke-width: 1 }
.line { fill: none; stroke-width: 2 }
.s0 { stroke: #0969da; fill: #0969da }
.s1 { stroke: #bc4c00; fill: #bc4c00 }
.line.s0, .line.s1 { fill: none }
.s1.line { stroke-dasharray: 6 4 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .grid { stroke: #3d444d }
  .s0 { stroke: #58a6ff; fill: #58a6ff }
  .s1 { stroke: #f0883e; fill: #f0883e }
}`;

/** @param title what it shows, for those who do not see it */
export function drawCurves(title: string, panels: readonly Panel[]): string {
	const width = panels.length * WIDTH;
	const body = panels.map(
		(panel, at) =>
			`<g transform="translate(${at * WIDTH} 0)">\n${drawPanel(panel)}\n</g>`,
	);
	return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${HEIGHT}" width="${width}" height="${HEIGHT}" role="img">
<title>${escaped(title)}</title>
<style>${STYLE}
</style>
${body.join("\n")}
</svg>
`;
}

function drawPanel({ title, xLabel, series }: Panel): string {
	const points = series.flatMap((each) => each.points);
	const x = new LogAxis(
		points.map(([value]) => value),
		LEFT,
		WIDTH - RIGHT,
		1.01,
	);
	const y = new LogAxis(
		points.map(([, value]) => value),
		HEIGHT - BOTTOM,
		TOP,
		1.3,
	);
	const parts = [
		`<text class="title" x="${LEFT}" y="18">${escaped(title)}</text>`,
		...y.ticks.flatMap((value) => [
			`<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y.at(value)}" y2="${y.at(value)}"/>`,
			`<text x="${LEFT - 6}" y="${y.at(value) + 4}" text-anchor="end">${short(value)}</text>`,
		]),
		...x.decades.map(
			(value) =>
				`<text x="${x.at(value)}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${short(value)}</text>`,
		),
		`<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - BOTTOM + 34}" text-anchor="middle">${escaped(xLabel)}</text>`,
		...series.flatMap((each, at) => drawSeries(each, at, x, y)),
	];
	return parts.join("\n");
}

function drawSeries(
	{ name, points }: Series,
	number: number,
	x: LogAxis,
	y: LogAxis,
): string[] {
	const at = points.map(([px, py]) => `${x.at(px)},${y.at(py)}`);
	const legendX = LEFT + number * LEGEND_STEP;
	const legendY = HEIGHT - 8;
	return [
		`<polyline class="line s${number}" points="${at.join(" ")}"/>`,
		...points.map(
			([px, py]) =>
				`<circle class="s${number}" cx="${x.at(px)}" cy="${y.at(py)}" r="3"/>`,
		),
		`<line class="line s${number}" x1="${legendX}" x2="${legendX + 24}" y1="${legendY - 4}" y2="${legendY - 4}"/>`,
		`<text x="${legendX + 30}" y="${legendY}">${escaped(name)}</text>`,
	];
}

/** A value's place between two edges, by its logarithm. */
class LogAxis {
	readonly #low: number;
	readonly #span: number;
	readonly #from: number;
	readonly #to: number;

	/** @param margin factor below the least and above the greatest value */
	constructor(
		values: readonly number[],
		from: number,
		to: number,
		margin: number,
	) {
		this.#from = from;
		this.#to = to;
		this.#low = Math.log10(Math.min(...values) / margin);
		this.#span = Math.log10(Math.max(...values) * margin) - this.#low;
	}

	at(value: number): number {
		const share = (Math.log10(value) - this.#low) / this.#span;
		return Math.round((this.#from + share * (this.#to - this.#from)) * 10) / 10;
	}

	get decades(): number[] {
		return this.#among([1]);
	}

	/** At least two where the values do not reach over decades. */
	get ticks(): number[] {
		for (const steps of [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 4, 5, 7]]) {
			const found = this.#among(steps);
			if (found.length >= 3) return found;
		}
		return this.#among([1, 1.5, 2, 3, 4, 5, 7]);
	}

	#among(steps: readonly number[]): number[] {
		const found: number[] = [];
		const high = this.#low + this.#span;
		for (let decade = Math.floor(this.#low); decade <= high; decade++)
			for (const step of steps) {
				const log = decade + Math.log10(step);
				if (log >= this.#low && log <= high) found.push(step * 10 ** decade);
			}
		return found;
	}
}

/** `0.3`, `20`, `5k`, `1M`. */
function short(value: number): string {
	if (value >= 1e6) return `${round(value / 1e6)}M`;
	if (value >= 1e3) return `${round(value / 1e3)}k`;
	return round(value);
}

function round(value: number): string {
	return String(Number(value.toPrecision(2)));
}

function escaped(text: string): string {
	return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
