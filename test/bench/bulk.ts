/**
 * `npm run bench:bulk`: a large state against Debian's mosquitto with its persistence on.
 * Both get the same sessions, retained and queued messages over the network; then they are
 * stopped, started with nothing in the system's cache, and some clients come back.
 * Options: --sessions N, --retained N, --queued N, --returning N, --autosave SECONDS (of
 * mosquitto, which writes its whole state then), --kind broker|mosquitto, --json FILE.
 * TEST_BUNDLE=build/broker.cjs measures the bundle.
 */
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import {
	type BrokerKind,
	startBrokerProcess,
} from "../support/spawn-broker.ts";
import { type BulkFigures, type BulkOrder, measureBulk } from "./bulk-run.ts";

const { values } = parseArgs({
	options: {
		sessions: { type: "string", default: "1000" },
		retained: { type: "string", default: "100000" },
		queued: { type: "string", default: "1000000" },
		returning: { type: "string", default: "100" },
		autosave: { type: "string", default: "60" },
		kind: { type: "string" },
		json: { type: "string" },
	},
});
const sessions = Number(values.sessions);
const order: BulkOrder = {
	sessions,
	retained: Number(values.retained),
	queuedEach: Math.floor(Number(values.queued) / sessions),
	returning: Number(values.returning),
};
const kinds = (values.kind?.split(",") ?? [
	"broker",
	"mosquitto",
]) as BrokerKind[];
const results: Record<string, BulkFigures> = {};
for (const kind of kinds) results[kind] = await measure(kind);
const names = Object.keys(results[kinds[0] ?? ""] ?? {});
console.table(
	Object.fromEntries(
		names.map((name) => [
			name,
			Object.fromEntries(
				kinds.map((kind) => [kind, round(results[kind]?.[name] ?? Number.NaN)]),
			),
		]),
	),
);
if (values.json !== undefined)
	await writeFile(values.json, `${JSON.stringify(results, null, "\t")}\n`);

async function measure(kind: BrokerKind): Promise<BulkFigures> {
	const broker = await startBrokerProcess({
		kind,
		startTimeoutMs: 120_000,
		config: {
			max_offline_messages: "unlimited",
			max_queued_messages_total: "unlimited",
			max_queued_bytes_total: "unlimited",
			"log.class.access": "warning",
		},
		mosquittoConfig: {
			autosave_interval: values.autosave,
			set_tcp_nodelay: "true",
			connection_messages: "false",
		},
	});
	try {
		return await measureBulk(broker, order);
	} finally {
		await broker.dispose();
	}
}

function round(value: number): number {
	return Number(value.toPrecision(3));
}
