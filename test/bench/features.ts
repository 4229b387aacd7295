/**
 * `npm run bench:features`: what each feature costs, as the ratio of the broker's CPU time
 * per delivered message to that of plain MQTT 3.1.1. Each figure has a broker of its own,
 * run from the sources; features take turns; medians over the repeats. About ten minutes.
 * Options: --repeats N, --seconds N, --only FEATURE[,FEATURE], --rows ROW[,ROW], --json FILE.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs, promisify } from "node:util";
import {
	endWithProcess,
	type SpawnedBroker,
	startBrokerProcess,
} from "../support/spawn-broker.ts";
import type { FeatureOrder, FeatureResult } from "./feature-load.ts";
import { brokerPrefix, loadPrefix, medianOf } from "./pinning.ts";

const run = promisify(execFile);
const WARM_UP_MS = 1000;

type Row = Pick<
	FeatureOrder,
	"shape" | "publishers" | "subscribers" | "qos" | "lag"
>;

/** As in `npm run bench`. */
const rows: Readonly<Record<string, Row>> = {
	A: { shape: "fanin", publishers: 10, subscribers: 1, qos: 0, lag: 1000 },
	B: { shape: "fanin", publishers: 10, subscribers: 1, qos: 1, lag: 100 },
	D: { shape: "fanout", publishers: 1, subscribers: 100, qos: 1, lag: 500 },
	E: { shape: "pair", publishers: 50, subscribers: 50, qos: 1, lag: 200 },
	F: { shape: "pair", publishers: 20, subscribers: 20, qos: 2, lag: 200 },
};

interface Feature {
	readonly id: string;
	readonly words: string;
	readonly order: Pick<FeatureOrder, "family" | "feature">;
	/** Instead of the broker's own. */
	readonly entry?: string;
	readonly isWebSocket?: boolean;
}

const three = { family: 3, feature: "none" } as const;
const features: readonly Feature[] = [
	{ id: "plain", words: "MQTT 3.1.1", order: three },
	{ id: "5", words: "MQTT 5", order: { family: 5, feature: "none" } },
	{
		id: "properties",
		words: "MQTT 5, a user property and a content type",
		order: { family: 5, feature: "properties" },
	},
	{
		id: "alias",
		words: "MQTT 5, a topic alias of the publisher's",
		order: { family: 5, feature: "alias" },
	},
	{
		id: "identifier",
		words: "MQTT 5, subscription identifiers",
		order: { family: 5, feature: "identifier" },
	},
	{
		id: "hook",
		words: "a hook that is asked about each PUBLISH",
		order: three,
		entry: "test/bench/hooked-broker.ts",
	},
	{
		id: "shared",
		words: "each subscription a shared one",
		order: { family: 3, feature: "shared" },
	},
	{
		id: "websocket",
		words: "all over WebSocket",
		order: three,
		isWebSocket: true,
	},
	{
		id: "persistent",
		words: "persistent sessions, all there",
		order: { family: 3, feature: "persistent" },
	},
	{
		id: "offline",
		words: "and one more, who is away",
		order: { family: 3, feature: "offline" },
	},
];

const { values } = parseArgs({
	options: {
		repeats: { type: "string", default: "3" },
		seconds: { type: "string", default: "1.5" },
		only: { type: "string" },
		rows: { type: "string" },
		json: { type: "string" },
	},
});
const durationMs = Math.round(Number(values.seconds) * 1000);
const only = values.only?.split(",");
const chosen = features.filter(({ id }) => only?.includes(id) ?? true);
const rowIds = values.rows?.split(",") ?? Object.keys(rows);

const results = new Map<string, FeatureResult[]>();
for (let repeat = 0; repeat < Number(values.repeats); repeat++)
	for (const id of rowIds)
		for (const feature of repeat % 2 === 0 ? chosen : chosen.toReversed()) {
			const row = rows[id];
			if (row === undefined) throw new Error(`there is no row ${id}`);
			const key = `${id} ${feature.id}`;
			const result = await measure(row, feature);
			results.set(key, [...(results.get(key) ?? []), result]);
			process.stderr.write(
				`${repeat + 1}/${values.repeats} ${key}: ${result.cpuMicrosPerMessage.toFixed(2)} us\n`,
			);
		}
console.log(table());
if (values.json !== undefined)
	await writeFile(
		values.json,
		`${JSON.stringify(Object.fromEntries(results), null, "\t")}\n`,
	);

async function measure(row: Row, feature: Feature): Promise<FeatureResult> {
	process.env.TEST_BUNDLE = feature.entry ?? "";
	const broker = await startBrokerProcess({
		kind: "broker",
		prefix: brokerPrefix,
		config: {
			max_inflight_messages: "1000",
			max_online_messages: "unlimited",
			max_offline_messages: "unlimited",
			max_queued_bytes: "unlimited",
		},
	});
	let relay: ChildProcess | null = null;
	try {
		const path = feature.isWebSocket === true ? `${broker.dataDir}.ws` : "";
		if (path !== "") relay = await startRelay(path, broker);
		const order: FeatureOrder = {
			...row,
			...feature.order,
			port: broker.port,
			path,
			pid: broker.pid,
			warmUpMs: WARM_UP_MS,
			durationMs,
		};
		const [program = "", ...args] = [
			...loadPrefix,
			process.execPath,
			join(import.meta.dirname, "feature-load.ts"),
			JSON.stringify(order),
		];
		const { stdout } = await run(program, args, { timeout: 60_000 });
		return JSON.parse(stdout) as FeatureResult;
	} finally {
		relay?.kill("SIGKILL");
		await broker.dispose();
	}
}

/** On the core of the load. */
async function startRelay(
	path: string,
	{ wsPort }: SpawnedBroker,
): Promise<ChildProcess> {
	const [program = "", ...args] = [
		...loadPrefix,
		process.execPath,
		join(import.meta.dirname, "websocket-relay.ts"),
		path,
		String(wsPort),
	];
	const relay = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
	endWithProcess(relay);
	await once(createInterface({ input: relay.stdout }), "line");
	return relay;
}

/** The first line in microseconds, the others as ratios to it. */
function table(): string {
	const micros = (row: string, { id }: Feature) =>
		medianOf(
			results.get(`${row} ${id}`) ?? [],
			(one) => one.cpuMicrosPerMessage,
		);
	const [base] = chosen;
	const lines = chosen.map((feature) => {
		const cells = rowIds.map((row) => {
			const value = micros(row, feature);
			if (base === undefined || feature === base)
				return `${value.toFixed(2)} us`;
			return (value / micros(row, base)).toFixed(2);
		});
		return `| ${feature.words} | ${cells.join(" | ")} |`;
	});
	return [
		`| | ${rowIds.join(" | ")} |`,
		`| --- |${" ---: |".repeat(rowIds.length)}`,
		...lines,
	].join("\n");
}
