/**
 * `npm run bench:curves`: how CPU time per message and memory grow with the number of
 * clients, of topics, and with the size of payloads, next to mosquitto. Writes
 * docs/performance-{clients,topics,payload}.svg and prints a table in Markdown. Each point
 * has a broker of its own; `broker bench` is the load. About five minutes.
 * Options: --repeats N, --seconds N, --only CURVE[,CURVE], --no-write.
 * TEST_BUNDLE=build/broker.cjs measures the bundle.
 */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs, promisify } from "node:util";
import type { BenchResult } from "../../src/cli/bench/result.ts";
import {
	type BrokerKind,
	startBrokerProcess,
} from "../support/spawn-broker.ts";
import { drawCurves, type Series } from "./curve-svg.ts";
import { brokerPrefix, loadPrefix, medianOf } from "./pinning.ts";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../..");
const kinds = ["broker", "mosquitto"] as const;
const MIB = 1024 * 1024;

interface Curve {
	readonly id: string;
	/** What the x axis counts. */
	readonly of: string;
	readonly title: string;
	readonly values: readonly number[];
	/** Arguments of `broker bench`. */
	load(value: number): string[];
}

/** Messages of a publisher under way: about this many bytes. */
const UNDER_WAY_BYTES = 256 * 1024;

const curves: readonly Curve[] = [
	{
		id: "clients",
		of: "clients",
		title: "pairs, QoS 0, 64 B, 20 messages of each publisher under way",
		values: [10, 30, 100, 300, 1000, 3000, 10_000],
		load: (clients) => [
			...["pair", "--publishers", String(clients / 2)],
			...["--lag", "20", "--payload", "64"],
		],
	},
	{
		id: "topics",
		of: "topics",
		title:
			"10 publishers with these topics in turn to one subscriber, QoS 0, 64 B",
		values: [10, 100, 1000, 5000, 10_000, 20_000, 100_000],
		load: (topics) => [
			...["fanin", "--publishers", "10", "--topics", String(topics / 10)],
			...["--lag", "1000", "--payload", "64"],
		],
	},
	{
		id: "payload",
		of: "bytes of payload",
		title: "20 pairs, QoS 0",
		values: [16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576],
		load: (bytes) => {
			const lag = Math.min(
				200,
				Math.max(2, Math.floor(UNDER_WAY_BYTES / bytes)),
			);
			return [
				...["pair", "--publishers", "20", "--payload", String(bytes)],
				...["--lag", String(lag)],
			];
		},
	},
];

const { values } = parseArgs({
	options: {
		repeats: { type: "string", default: "3" },
		seconds: { type: "string", default: "1.5" },
		only: { type: "string" },
		"no-write": { type: "boolean", default: false },
	},
});
const only = values.only?.split(",");
const durationMs = Math.round(Number(values.seconds) * 1000);

/** By broker, in the order of the curve's values. */
type Measured = Record<BrokerKind, BenchResult[][]>;

for (const curve of curves) {
	if (only?.includes(curve.id) === false) continue;
	const measured: Measured = { broker: [], mosquitto: [] };
	for (let repeat = 0; repeat < Number(values.repeats); repeat++)
		for (const [at, value] of curve.values.entries())
			for (const kind of repeat % 2 === 0 ? kinds : kinds.toReversed()) {
				const result = await measure(kind, curve.load(value));
				measured[kind][at] = [...(measured[kind][at] ?? []), result];
				process.stderr.write(`${curve.id} ${value} ${kind}\n`);
			}
	console.log(`\n### ${curve.id}: ${curve.title}\n\n${table(curve, measured)}`);
	if (values["no-write"]) continue;
	await writeFile(
		join(root, "docs", `performance-${curve.id}.svg`),
		drawCurves(`CPU time and memory over ${curve.of}`, [
			{
				title: "CPU time, us per delivered message",
				xLabel: curve.of,
				series: seriesOf(curve, measured, cpuMicros),
			},
			{
				title: "RSS, MiB",
				xLabel: curve.of,
				series: seriesOf(curve, measured, rssMib),
			},
		]),
	);
}

async function measure(
	kind: BrokerKind,
	load: readonly string[],
): Promise<BenchResult> {
	const broker = await startBrokerProcess({
		kind,
		prefix: brokerPrefix,
		mosquittoConfig: { persistence: "false", set_tcp_nodelay: "true" },
	});
	try {
		const [program = "", ...args] = [
			...loadPrefix,
			...[process.execPath, join(root, "src/main.ts"), "bench", ...load],
			...["--port", String(broker.port), "--pid", String(broker.pid)],
			...["--warm-up", "500ms", "--duration", `${durationMs}ms`],
			...["--drain", "500ms", "--json", "--quiet"],
		];
		const { stdout } = await run(program, args, { timeout: 120_000 });
		const { scenarios } = JSON.parse(stdout) as { scenarios: BenchResult[] };
		const [result] = scenarios;
		if (result === undefined) throw new Error("broker bench gave no result");
		return result;
	} finally {
		await broker.dispose();
	}
}

function cpuMicros(result: BenchResult): number {
	return result.broker?.cpuMicrosPerMessage ?? Number.NaN;
}

function rssMib(result: BenchResult): number {
	return (result.broker?.rssBytes ?? Number.NaN) / MIB;
}

function seriesOf(
	curve: Curve,
	measured: Measured,
	get: (result: BenchResult) => number,
): Series[] {
	return kinds.map((kind) => ({
		name: kind,
		points: curve.values.map(
			(value, at) => [value, medianOf(measured[kind][at] ?? [], get)] as const,
		),
	}));
}

function table(curve: Curve, measured: Measured): string {
	const rows = curve.values.map((value, at) => {
		const cells = [cpuMicros, rssMib].flatMap((get) =>
			kinds.map((kind) => medianOf(measured[kind][at] ?? [], get)),
		);
		return `| ${value.toLocaleString("en")} | ${cells.map(short).join(" | ")} |`;
	});
	return [
		`| ${curve.of} | us per message | mosquitto | RSS, MiB | mosquitto |`,
		"| ---: | ---: | ---: | ---: | ---: |",
		...rows,
	].join("\n");
}

function short(value: number): string {
	return value < 10 ? value.toFixed(2) : value.toFixed(value < 100 ? 1 : 0);
}
