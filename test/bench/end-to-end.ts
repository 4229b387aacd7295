/**
 * `npm run bench`: the broker against Debian's mosquitto on this machine, as ratios, under
 * the load of `broker bench`. Each run has a fresh broker; the two take turns, so that
 * whatever else the machine does hits both; medians over the repeats count.
 *
 *     --only A,H1      some scenarios (rival-scenarios.ts); M is the start alone
 *     --quick          one repeat of a second each
 *     --repeats N      3; --seconds N: 2, after a second of warm-up
 *     --binary PATH    what runs: dist/broker-linux-x64 when it is there, else build/broker.cjs
 *     --profile        ours alone, from the bundle: build/profiles/ID.cpuprofile for each
 *     --json FILE      all runs
 */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { parseArgs, promisify } from "node:util";
import type { BenchResult } from "../../src/cli/bench/result.ts";
import { loadPrefix } from "./pinning.ts";
import { Rival, type RivalName } from "./rival.ts";
import { type RivalRun, report } from "./rival-report.ts";
import {
	type RivalScenario,
	rivalScenarios,
	START,
} from "./rival-scenarios.ts";

const run = promisify(execFile);
const projectRoot = resolve(import.meta.dirname, "../..");
const bundle = resolve(projectRoot, "build/broker.cjs");
const profiles = resolve(projectRoot, "build/profiles");
const LOAD_MS = 180_000;

const { values } = parseArgs({
	options: {
		quick: { type: "boolean", default: false },
		repeats: { type: "string" },
		seconds: { type: "string" },
		only: { type: "string" },
		binary: { type: "string" },
		profile: { type: "boolean", default: false },
		json: { type: "string" },
	},
});
const isQuick = values.quick || values.profile;
const repeats = Number(values.repeats ?? (isQuick ? 1 : 3));
const seconds = Number(values.seconds ?? (values.quick ? 1 : 2));
const only = values.only?.split(",");
const known = [...rivalScenarios.map(({ id }) => id), START];
const unknown = only?.find((id) => !known.includes(id));
if (unknown !== undefined)
	fail(`there is no scenario ${unknown}: ${known.join(", ")}`);
const chosen = rivalScenarios.filter(({ id }) => only?.includes(id) ?? true);
const program = programOf();
const rivals: readonly RivalName[] = values.profile
	? ["broker"]
	: ["broker", "mosquitto"];

process.stderr.write(`measuring ${program}\n`);
const runs: RivalRun[] = [];
for (let repeat = 0; repeat < repeats; repeat++) {
	const all: readonly (RivalScenario | null)[] =
		only?.includes(START) === true ? [...chosen, null] : chosen;
	for (const scenario of all) {
		// Whoever was second last time is first now.
		const turn = repeat % 2 === 0 ? rivals : rivals.toReversed();
		for (const rival of turn) {
			const one = await measure(rival, scenario, repeat);
			runs.push(one);
			process.stderr.write(
				`${repeat + 1}/${repeats} ${one.scenario} ${rival}${lineOf(one)}\n`,
			);
		}
	}
}
console.log(report(chosen, runs));
if (values.profile) console.log(`\nProfiles are in ${profiles}`);
if (values.json !== undefined) {
	const about = {
		node: process.version,
		cpus: availableParallelism(),
		program,
		repeats,
		seconds,
	};
	const text = JSON.stringify({ about, runs }, null, "\t");
	await writeFile(values.json, `${text}\n`);
}

function programOf(): string {
	if (values.profile && !existsSync(bundle))
		fail("there is no bundle to profile: npm run bundle");
	if (values.profile) return bundle;
	const places = [
		resolve(projectRoot, `dist/broker-linux-${process.arch}`),
		bundle,
	];
	const found =
		values.binary === undefined
			? places.find((path) => existsSync(path))
			: resolve(values.binary);
	if (found === undefined || !existsSync(found))
		fail(
			`nothing to measure: ${values.binary ?? "npm run bundle, or npm run build"}`,
		);
	return found;
}

function fail(words: string): never {
	process.stderr.write(`${words}\n`);
	process.exit(2);
}

async function measure(
	name: RivalName,
	scenario: RivalScenario | null,
	repeat: number,
): Promise<RivalRun> {
	const id = scenario?.id ?? START;
	const rival = await Rival.begin(name, commandFor(id));
	try {
		const result = scenario === null ? null : await load(rival, scenario);
		return { repeat, scenario: id, rival: name, start: rival.start, result };
	} finally {
		await rival.end();
	}
}

/** Of ours. */
function commandFor(id: string): string[] {
	if (!/\.c?js$/.test(program)) return [program];
	if (!values.profile) return [process.execPath, program];
	mkdirSync(profiles, { recursive: true });
	const where = `--cpu-prof-dir=${profiles}`;
	const name = `--cpu-prof-name=${id}.cpuprofile`;
	return [process.execPath, "--cpu-prof", where, name, program];
}

async function load(
	rival: Rival,
	{ args, isTimed }: RivalScenario,
): Promise<BenchResult> {
	const [command = "", ...words] = [
		...loadPrefix,
		process.execPath,
		resolve(projectRoot, "src/main.ts"),
		"bench",
		...args.split(" "),
		...["--port", String(rival.port), "--pid", String(rival.pid)],
		...(isTimed ? ["--warm-up", "1s", "--duration", `${seconds}s`] : []),
		"--json",
		"--quiet",
	];
	const { stdout } = await run(command, words, {
		timeout: LOAD_MS,
		maxBuffer: 16 * 1024 * 1024,
	});
	return JSON.parse(stdout).scenarios[0];
}

function lineOf({ result, start }: RivalRun): string {
	if (result === null) return `: ${Math.round(start.startMs)} ms`;
	const cost = result.broker?.cpuMicrosPerMessage?.toFixed(2) ?? "-";
	return `: ${cost} us, ${Math.round(result.deliverRate || result.connectRate)}/s`;
}
