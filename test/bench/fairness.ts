/**
 * `npm run bench:fairness`: how late the messages of quiet pairs are while one client
 * floods the broker, or takes a long queue, next to mosquitto on this machine. Brokers are
 * started afresh and take turns; medians over the repeats count. The quiet side runs before
 * the disturbance where they share a core, so that it measures the broker and not itself.
 * Options: --quick, --repeats N, --seconds N, --messages N (in the queue), --only ID[,ID],
 * --kind broker, --json FILE. TEST_BUNDLE=build/broker.cjs measures the bundle.
 */
import { writeFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import {
	type BrokerKind,
	startBrokerProcess,
} from "../support/spawn-broker.ts";
import type { Disturbed, FairnessOrder, Latency } from "./fairness-load.ts";
import { measureQuiet, Other } from "./fairness-sides.ts";
import { brokerPrefix, medianOf } from "./pinning.ts";

/** A second after its start the broker collects its heap once, 0.1 s: not what is measured here. */
const SETTLE_MS = 2000;

type CaseId = "alone" | "flood0" | "flood1" | "drain";
const cases: readonly (readonly [CaseId, string])[] = [
	["alone", "nobody else"],
	["flood0", "a flood with QoS 0"],
	["flood1", "a flood with QoS 1"],
	["drain", "a client takes a long queue"],
];

interface Outcome {
	readonly latencies: readonly Latency[];
	/** By side: what the flood sent and its sink got, or what was drained. */
	readonly disturbed: readonly Disturbed[];
}

const { values } = parseArgs({
	options: {
		quick: { type: "boolean", default: false },
		repeats: { type: "string" },
		seconds: { type: "string" },
		messages: { type: "string" },
		only: { type: "string" },
		kind: { type: "string" },
		json: { type: "string" },
	},
});
const repeats = Number(values.repeats ?? (values.quick ? 1 : 3));
const seconds = Number(values.seconds ?? (values.quick ? 3 : 8));
const messages = Number(
	values.messages ?? (values.quick ? 200_000 : 1_000_000),
);
const only = values.only?.split(",");
const kinds = (["broker", "mosquitto"] as const).filter(
	(kind) => kind === (values.kind ?? kind),
);

const outcomes = new Map<string, Outcome[]>();
for (let repeat = 0; repeat < repeats; repeat++)
	for (const [id] of cases) {
		if (only?.includes(id) === false) continue;
		for (const kind of repeat % 2 === 0 ? kinds : kinds.toReversed()) {
			const outcome = await measure(kind, id);
			const key = `${id} ${kind}`;
			outcomes.set(key, [...(outcomes.get(key) ?? []), outcome]);
			process.stderr.write(`${repeat + 1}/${repeats} ${key}\n`);
		}
	}
for (const qos of [0, 1])
	for (const rate of [10, 100]) {
		console.log(`\nQoS ${qos}, ${rate} messages a second; milliseconds`);
		console.table(cases.flatMap(([id, title]) => row(id, title, qos, rate)));
	}
console.log("\nThe disturbance itself, messages a second");
console.table(cases.flatMap((each) => disturbance(...each)));
if (values.json !== undefined)
	await writeFile(
		values.json,
		`${JSON.stringify(Object.fromEntries(outcomes), null, "\t")}\n`,
	);

/** Both as they come, but that a long queue may be one. */
async function measure(kind: BrokerKind, id: CaseId): Promise<Outcome> {
	const isDrain = id === "drain";
	const limits: Record<string, string> = {
		max_offline_messages: "unlimited",
		max_queued_bytes: "unlimited",
	};
	const broker = await startBrokerProcess({
		kind,
		prefix: brokerPrefix,
		config: isDrain ? limits : {},
		mosquittoConfig: {
			max_queued_messages: isDrain ? "0" : "1000",
			set_tcp_nodelay: "true",
		},
	});
	try {
		await pause(SETTLE_MS);
		const others = ordersOf(id, broker.port).map((order) => new Other(order));
		for (const other of others) await other.line();
		for (const other of others) other.begin();
		const latencies = await measureQuiet(broker.port, seconds);
		const disturbed = await Promise.all(others.map((other) => other.end()));
		return { latencies, disturbed };
	} finally {
		await broker.dispose();
	}
}

function ordersOf(id: CaseId, port: number): FairnessOrder[] {
	if (id === "alone") return [];
	if (id === "drain") return [{ side: "drain", port, messages }];
	const qos = id === "flood0" ? 0 : 1;
	return [
		{ side: "flood", port, qos },
		{ side: "sink", port, qos },
	];
}

function row(id: CaseId, title: string, qos: number, rate: number) {
	const figures = (kind: BrokerKind) => {
		const all = (outcomes.get(`${id} ${kind}`) ?? []).flatMap((outcome) =>
			outcome.latencies.filter(
				(each) => each.qos === qos && each.messagesPerSecond === rate,
			),
		);
		const ms = (get: (one: Latency) => number) =>
			all.length === 0 ? "" : (medianOf(all, get) / 1000).toFixed(2);
		return {
			p50: ms((one) => one.p50),
			p99: ms((one) => one.p99),
			max: ms((one) => one.max),
			lost: all.reduce((sum, one) => sum + one.lost, 0),
		};
	};
	if (!kinds.some((kind) => outcomes.has(`${id} ${kind}`))) return [];
	const ours = figures("broker");
	const theirs = figures("mosquitto");
	return [
		{
			beside: title,
			p50: ours.p50,
			mosquitto: theirs.p50,
			p99: ours.p99,
			"mosquitto ": theirs.p99,
			max: ours.max,
			"mosquitto  ": theirs.max,
			lost: ours.lost,
			"mosquitto   ": theirs.lost,
		},
	];
}

function disturbance(id: CaseId, title: string) {
	return kinds.flatMap((kind) => {
		const all = outcomes.get(`${id} ${kind}`) ?? [];
		if (id === "alone" || all.length === 0) return [];
		const rate = (side: number) =>
			Math.round(
				medianOf(all, ({ disturbed }) => {
					const { count = 0, seconds = 1 } = disturbed[side] ?? {};
					return count / seconds;
				}),
			);
		return [
			{
				what: title,
				of: kind,
				"sent/s": id === "drain" ? "" : rate(0),
				"delivered/s": id === "drain" ? rate(0) : rate(1),
			},
		];
	});
}
