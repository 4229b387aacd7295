/**
 * `npm run bench`: the broker against Debian's mosquitto on this machine, as
 * ratios. Each run has a fresh broker process; the brokers take turns, so that
 * whatever else the machine does hits both; medians over the repeats count.
 * Options: --quick, --repeats N, --seconds N, --payload BYTES, --only ID[,ID],
 * --json FILE. TEST_BUNDLE=build/broker.cjs measures the bundle.
 */
import { execFile, execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import {
	type BrokerKind,
	type SpawnOptions,
	startBrokerProcess,
} from "../support/spawn-broker.ts";
import {
	type LoadOrder,
	type LoadResult,
	type Scenario,
	scenarios,
} from "./load-scenarios.ts";

const run = promisify(execFile);
const kinds: readonly BrokerKind[] = ["broker", "mosquitto"];
const warmUpMs = 500;
/** CPU time is counted in steps of 10 ms: less than this says little. */
const leastCpuMs = 300;

const { values } = parseArgs({
	options: {
		quick: { type: "boolean", default: false },
		repeats: { type: "string" },
		seconds: { type: "string" },
		payload: { type: "string", default: "64" },
		only: { type: "string" },
		json: { type: "string" },
	},
});
const repeats = Number(values.repeats ?? (values.quick ? 1 : 3));
const durationMs = Number(values.seconds ?? (values.quick ? 1 : 2)) * 1000;
const only = values.only?.split(",");
const chosen = scenarios.filter(({ id }) => only?.includes(id) ?? true);
const pinning = canPin();

/** Results by scenario and broker, in order of the repeats. */
type Results = Record<string, Record<BrokerKind, LoadResult[]>>;

const results: Results = {};
for (let repeat = 0; repeat < repeats; repeat++) {
	for (const scenario of chosen) {
		results[scenario.id] ??= { broker: [], mosquitto: [] };
		// Whoever was second last time is first now.
		const turn = repeat % 2 === 0 ? kinds : kinds.toReversed();
		for (const kind of turn) {
			const result = await measure(kind, scenario);
			results[scenario.id]?.[kind].push(result);
			process.stderr.write(
				`${repeat + 1}/${repeats} ${scenario.id} ${kind}: ${Math.round(result.deliveryRate)}/s\n`,
			);
		}
	}
}
console.log(table(results));
if (values.json !== undefined) {
	const about = {
		node: process.version,
		cpus: availableParallelism(),
		pinning,
		repeats,
		durationMs,
		payloadBytes: Number(values.payload),
	};
	await writeFile(
		values.json,
		`${JSON.stringify({ about, results }, null, "\t")}\n`,
	);
}

async function measure(
	kind: BrokerKind,
	scenario: Scenario,
): Promise<LoadResult> {
	const options: SpawnOptions = {
		kind,
		config: { max_inflight_messages: "1000", max_online_messages: "unlimited" },
		mosquittoConfig: {
			persistence: "false",
			max_queued_messages: "0",
			max_inflight_messages: "1000",
			set_tcp_nodelay: "true",
		},
		...(pinning ? { prefix: ["taskset", "-c", "1"] } : {}),
	};
	const broker = await startBrokerProcess(options);
	try {
		const order: LoadOrder = {
			scenario,
			port: broker.port,
			pid: broker.pid,
			payloadBytes: Number(values.payload),
			warmUpMs,
			durationMs,
		};
		const [program = "", ...args] = [
			...(pinning ? ["taskset", "-c", "0"] : []),
			process.execPath,
			join(import.meta.dirname, "load-generator.ts"),
			JSON.stringify(order),
		];
		const { stdout } = await run(program, args, { timeout: 60_000 });
		return JSON.parse(stdout) as LoadResult;
	} finally {
		await broker.dispose();
	}
}

/** Generator on core 0, broker on core 1, when the machine has both and taskset. */
function canPin(): boolean {
	if (availableParallelism() < 2) return false;
	try {
		execFileSync("taskset", ["-c", "1", "true"], { stdio: "ignore" });
		return true;
	} catch {
		return false;
	}
}

function median(results: LoadResult[], get: (one: LoadResult) => number) {
	const sorted = results.map(get).toSorted((a, b) => a - b);
	return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function table(results: Results): string {
	const rows = [
		[
			"scenario",
			"CPU us/msg",
			"mosquitto",
			"ratio",
			"msg/s",
			"mosquitto",
			"ratio",
			"notes",
		],
	];
	const latencyRows = [
		["latency in us", "p50", "mosquitto", "ratio", "p99", "mosquitto", "ratio"],
	];
	for (const { id, title, rate } of chosen) {
		const given = results[id];
		if (given === undefined) continue;
		const compare = (get: (one: LoadResult) => number, digits: number) => {
			const ours = median(given.broker, get);
			const theirs = median(given.mosquitto, get);
			return [
				ours.toFixed(digits),
				theirs.toFixed(digits),
				(ours / theirs).toFixed(2),
			];
		};
		rows.push([
			title,
			...compare((one) => one.cpuMicrosPerMessage, 2),
			...compare((one) => one.deliveryRate, 0),
			notes(given, rate === undefined),
		]);
		if (rate === undefined) continue;
		latencyRows.push([
			title,
			...compare((one) => one.latencyMicros?.p50 ?? Number.NaN, 0),
			...compare((one) => one.latencyMicros?.p99 ?? Number.NaN, 0),
		]);
	}
	const heading =
		"Ratios are ours / mosquitto: CPU and latency better below 1, rate better above 1.\n" +
		"Where publishers send in bursts (all rows but those one at a time and at a fixed\n" +
		"rate), a broker that gathers its writes gains most: read these rows together.";
	const tables = latencyRows.length > 1 ? [rows, latencyRows] : [rows];
	return [heading, ...tables.map(format)].join("\n\n");
}

/** What makes a row less trustworthy. */
function notes(given: Record<BrokerKind, LoadResult[]>, flood: boolean) {
	const words: string[] = [];
	for (const kind of kinds) {
		const lost = given[kind].reduce((sum, one) => sum + one.lost, 0);
		if (lost !== 0) words.push(`${kind} lost ${lost}`);
		const cpuMs = median(given[kind], (one) => one.brokerCpuMs);
		if (cpuMs < leastCpuMs) words.push(`${kind}: only ${cpuMs} ms of CPU time`);
		const share = median(given[kind], (one) => one.brokerCpuShare);
		if (flood && share < 0.85) {
			words.push(`${kind} used ${Math.round(share * 100)} % of its core`);
		}
	}
	return words.join(", ");
}

function format(rows: string[][]): string {
	const widths = (rows[0] ?? []).map((_, column) =>
		Math.max(...rows.map((row) => (row[column] ?? "").length)),
	);
	return rows
		.map((row) =>
			row
				.map((cell, column) =>
					column === 0 || column === 7
						? cell.padEnd(widths[column] ?? 0)
						: cell.padStart(widths[column] ?? 0),
				)
				.join("  ")
				.trimEnd(),
		)
		.join("\n");
}
