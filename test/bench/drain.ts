/**
 * `npm run bench:drain`: messages a second to a client that comes back to a full queue,
 * against the same client's live rate with the same window, both with QoS 1; medians over
 * the repeats. Options: --quick, --repeats N, --messages N, --only ID[,ID], --sync-ms N
 * (each sync takes so much longer, as on a flash card), --kind mosquitto, --json FILE.
 * TEST_BUNDLE=build/broker.cjs measures the bundle.
 */
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import {
	type BrokerKind,
	startBrokerProcess,
} from "../support/spawn-broker.ts";
import { type DrainFigures, measureDrain } from "./drain-run.ts";
import { slowSync } from "./slow-sync.ts";

interface Case {
	readonly id: string;
	readonly window: number;
	readonly payloadBytes: number;
	/** Divides the number of messages. */
	readonly share: number;
	readonly clients: number;
	readonly besideRate: number;
	/** More of our configuration. */
	readonly config?: Record<string, string>;
}

const one = { share: 1, clients: 1, besideRate: 0 };
const cases: readonly Case[] = [
	{ ...one, id: "w20", window: 20, payloadBytes: 64 },
	{ ...one, id: "w100", window: 100, payloadBytes: 64 },
	{ ...one, id: "w1000", window: 1000, payloadBytes: 64 },
	{ ...one, id: "w20-256", window: 20, payloadBytes: 256 },
	{ ...one, id: "w20-4k", window: 20, payloadBytes: 4096, share: 5 },
	{ ...one, id: "w1000-4k", window: 1000, payloadBytes: 4096, share: 5 },
	{
		id: "five-beside",
		window: 20,
		payloadBytes: 256,
		share: 5,
		clients: 5,
		besideRate: 500,
	},
];

const { values } = parseArgs({
	options: {
		quick: { type: "boolean", default: false },
		repeats: { type: "string" },
		messages: { type: "string" },
		only: { type: "string" },
		kind: { type: "string", default: "broker" },
		"sync-ms": { type: "string", default: "0" },
		json: { type: "string" },
	},
});
const repeats = Number(values.repeats ?? (values.quick ? 1 : 3));
const messages = Number(values.messages ?? (values.quick ? 20_000 : 100_000));
const only = values.only?.split(",");
const chosen = cases.filter(({ id }) => only?.includes(id) ?? true);
const disk = slowSync(Number(values["sync-ms"]));

const results = new Map<string, DrainFigures[]>();
for (let repeat = 0; repeat < repeats; repeat++)
	for (const each of chosen) {
		const figures = await measure(each);
		results.set(each.id, [...(results.get(each.id) ?? []), figures]);
		process.stderr.write(
			`${repeat + 1}/${repeats} ${each.id}: live ${Math.round(figures.liveRate)}/s, drain ${Math.round(figures.drainRate)}/s\n`,
		);
	}
console.table(
	chosen.map((each) => {
		const all = results.get(each.id) ?? [];
		return {
			case: each.id,
			window: each.window,
			bytes: each.payloadBytes,
			"live/s": Math.round(median(all, ({ liveRate }) => liveRate)),
			"queued/s": Math.round(median(all, ({ queueRate }) => queueRate)),
			"drain/s": Math.round(median(all, ({ drainRate }) => drainRate)),
			"drain : live": median(
				all,
				({ drainRate, liveRate }) => drainRate / liveRate,
			).toFixed(2),
			"out of order": all.reduce((sum, { mistakes }) => sum + mistakes, 0),
			"others late, ms": Math.round(
				median(all, ({ besideWorstMs }) => besideWorstMs),
			),
		};
	}),
);
if (values.json !== undefined)
	await writeFile(
		values.json,
		`${JSON.stringify(Object.fromEntries(results), null, "\t")}\n`,
	);

async function measure(each: Case): Promise<DrainFigures> {
	const { window, payloadBytes, clients, besideRate, share, config } = each;
	const broker = await startBrokerProcess({
		env: disk,
		kind: values.kind as BrokerKind,
		config: {
			max_inflight_messages: String(window),
			max_offline_messages: "unlimited",
			max_online_messages: "unlimited",
			max_queued_bytes: "unlimited",
			...config,
		},
		mosquittoConfig: {
			max_inflight_messages: String(window),
			set_tcp_nodelay: "true",
			autosave_interval: "1",
		},
	});
	try {
		return await measureDrain({
			port: broker.port,
			window,
			payloadBytes,
			messages: messages / share,
			clients,
			besideRate,
		});
	} finally {
		await broker.dispose();
	}
}

function median(
	all: readonly DrainFigures[],
	get: (figures: DrainFigures) => number,
): number {
	const sorted = all.map(get).toSorted((a, b) => a - b);
	return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
