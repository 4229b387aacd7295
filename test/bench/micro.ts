/**
 * `npm run bench:micro`: the micro-benchmarks of the hot path's parts one after the other,
 * each several times in a process of its own; medians over the repeats. About two minutes.
 * Options: --repeats N, --only NAME[,NAME], --json FILE.
 */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import type { Figure } from "./micro-report.ts";
import { brokerPrefix, medianOf } from "./pinning.ts";

const run = promisify(execFile);
const programs = [
	"codec",
	"match",
	"fan-out",
	"inflight",
	"outbox",
	"socket-read",
	"store",
];

const { values } = parseArgs({
	options: {
		repeats: { type: "string", default: "3" },
		only: { type: "string" },
		json: { type: "string" },
	},
});
const only = values.only?.split(",");
const chosen = programs.filter((name) => only?.includes(name) ?? true);
const figures = new Map<string, Map<string, Figure[]>>();
for (let repeat = 0; repeat < Number(values.repeats); repeat++)
	for (const name of chosen) {
		const own = figures.get(name) ?? new Map<string, Figure[]>();
		figures.set(name, own);
		for (const one of await figuresOf(name))
			own.set(one.what, [...(own.get(one.what) ?? []), one]);
		process.stderr.write(`${repeat + 1}/${values.repeats} ${name}\n`);
	}

const medians = [...figures].flatMap(([name, own]) =>
	[...own].map(([what, all]) => ({
		name,
		what,
		value: medianOf(all, (one) => one.value),
		unit: all[0]?.unit ?? "",
	})),
);
let section = "";
for (const { name, what, value, unit } of medians) {
	if (name !== section) console.log(`\n${name}`);
	section = name;
	const digits = value < 100 ? 2 : 0;
	console.log(
		`  ${what.padEnd(56)} ${value.toFixed(digits).padStart(10)} ${unit}`,
	);
}
if (values.json !== undefined)
	await writeFile(values.json, `${JSON.stringify(medians, null, "\t")}\n`);

async function figuresOf(name: string): Promise<Figure[]> {
	const [program = "", ...args] = [
		...brokerPrefix,
		process.execPath,
		join(import.meta.dirname, `${name}.ts`),
	];
	const { stdout } = await run(program, args, {
		env: { ...process.env, BENCH_JSON: "1" },
	});
	return stdout
		.trim()
		.split("\n")
		.map((line) => JSON.parse(line) as Figure);
}
