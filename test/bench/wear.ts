/**
 * `npm run bench:wear`: how many bytes the broker writes to the disk, next to Debian's
 * mosquitto on the same work. Prints a table for the README.
 * Options: --seconds N (60; of each run), --folder DIR (on a real disk, not a tmpfs),
 * --only exchange|house, --target WORDS (names that contain them), --late 0,20,100,300,
 * --set KEY=VALUE (of our broker, several). About half an hour as it is.
 */
import { mkdirSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { inBytes } from "../../src/platform/words.ts";
import {
	type SpawnOptions,
	startBrokerProcess,
} from "../support/spawn-broker.ts";
import { type Cost, exchangeCost, houseCost } from "./wear-runs.ts";

const TMPFS = 0x01021994;

interface Target {
	readonly name: string;
	readonly options: SpawnOptions;
	/** mosquitto writes its file whenever something has changed. */
	readonly savesOnChange?: boolean;
	/** For the house alone. */
	readonly isHouseOnly?: boolean;
}

const { values } = parseArgs({
	options: {
		seconds: { type: "string", default: "60" },
		folder: { type: "string", default: tmpdir() },
		only: { type: "string", default: "" },
		target: { type: "string", default: "" },
		late: { type: "string", default: "0,20,100,300" },
		set: { type: "string", multiple: true, default: [] },
	},
});
const seconds = Number(values.seconds);
const chosen = Object.fromEntries(
	values.set.map((text) => text.split("=") as [string, string]),
);

const targets: readonly Target[] = [
	ours("strict", { durability: "strict" }),
	ours("relaxed", { durability: "relaxed" }),
	{
		...ours("strict, write_every = 60s", {
			durability: "strict",
			"retained.house/#.write_every": "60s",
		}),
		isHouseOnly: true,
	},
	theirs("mosquitto, every 30 min (default)", { autosave_interval: "1800" }),
	{
		...theirs("mosquitto, on changes", {
			autosave_interval: "1",
			autosave_on_changes: "true",
		}),
		savesOnChange: true,
	},
];

mkdirSync(values.folder, { recursive: true });
if (statfsSync(values.folder).type === TMPFS)
	throw new Error(
		`${values.folder} is in memory: choose a folder on a disk with --folder`,
	);
const folder = mkdtempSync(join(resolve(values.folder), "wear-"));
process.env.TMPDIR = folder;
try {
	await main();
} finally {
	rmSync(folder, { recursive: true, force: true });
}

async function main(): Promise<void> {
	const rows: string[] = [];
	for (const target of targets) {
		if (!target.name.includes(values.target)) continue;
		const file = join(folder, "report");
		const env = { TEST_REPORT_FILE: file };
		const broker = await startBrokerProcess({ ...target.options, env });
		const savesOnChange = target.savesOnChange ?? false;
		const subject = { broker, reportFile: file, savesOnChange };
		try {
			if (values.only !== "house" && !target.isHouseOnly)
				for (const lateMs of values.late.split(",").map(Number)) {
					const cost = await exchangeCost(subject, seconds, lateMs);
					rows.push(row(`acknowledged ${lateMs} ms late`, target, cost));
				}
			if (values.only !== "exchange") {
				const cost = await houseCost(subject, seconds);
				rows.push(row("house", target, cost));
			}
		} finally {
			await broker.dispose();
		}
	}
	console.log(
		"| work | broker | bytes a message | a day | median | p99 | commits/s |",
	);
	console.log("| --- | --- | ---: | ---: | ---: | ---: | ---: |");
	for (const line of rows) console.log(line);
}

function row(work: string, { name }: Target, cost: Cost): string {
	const { bytesPerMessage, bytesPerDay, medianMs, p99Ms, commitsPerSecond } =
		cost;
	const cells = [
		work,
		name,
		Math.round(bytesPerMessage),
		inBytes(bytesPerDay),
		`${medianMs.toFixed(1)} ms`,
		`${p99Ms.toFixed(1)} ms`,
		commitsPerSecond === null ? "" : commitsPerSecond.toFixed(1),
	];
	const line = `| ${cells.join(" | ")} |`;
	process.stderr.write(`${line}\n`);
	return line;
}

function ours(name: string, config: Record<string, string>): Target {
	return {
		name,
		options: { kind: "broker", config: { ...config, ...chosen } },
	};
}

function theirs(name: string, mosquittoConfig: Record<string, string>): Target {
	return { name, options: { kind: "mosquitto", mosquittoConfig } };
}
