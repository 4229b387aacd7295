// Which tests there are and how they are run: tap for the suites (folders of test/), plain
// programs for fuzz and soak. A run is red when a test failed, was skipped or is marked todo,
// or when a suite that was asked for by name has no test.

import { appendFileSync, existsSync, readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative, resolve } from "node:path";
import { requireTestPrograms } from "./debian.mjs";
import {
	expectedError,
	prepare,
	projectFolder,
	run,
	runtimePath,
} from "./runtime.mjs";
import {
	addTotals,
	describeTotals,
	isGreen,
	noTotals,
	runTap,
} from "./tap.mjs";

const quickSuites = [
	"unit",
	"fixtures",
	"property",
	"fuzz",
	"store",
	"wire",
	"architecture",
	"crash",
	"spec",
];

/** Slow suites: `timeoutSeconds` per file, `jobs` at most this many files at a time. */
const slowSuites = [
	{ name: "disk", timeoutSeconds: 120, jobs: availableParallelism() },
	{ name: "system", timeoutSeconds: 300, jobs: 1 },
	{ name: "interop", timeoutSeconds: 180, jobs: 1 },
	{ name: "package", timeoutSeconds: 900, jobs: 1 },
];

/** A program that makes virtual machines and logs what reaches their disks; no package has it. */
const powerRig = resolve(
	projectFolder,
	process.env.VMRIG || "../shared/vmrig/rig",
);

/** Programs of test:all; each counts as one test, and may need a file that is not the project's. */
const programs = [
	{
		name: "fuzz",
		file: "test/fuzz/frames.ts",
		args: ["--count", "1000000", "--seconds", "180"],
		timeoutSeconds: 240,
	},
	{
		name: "power cuts",
		file: "test/crash/power.ts",
		args: ["--states", "12", "--seconds", "20"],
		timeoutSeconds: 900,
		needs: powerRig,
	},
	{
		name: "power cuts of the package",
		file: "test/crash/power-package.ts",
		args: ["--cuts", "1"],
		timeoutSeconds: 1200,
		needs: powerRig,
	},
	{
		name: "damaged files",
		file: "test/crash/damage.ts",
		args: ["--count", "18"],
		timeoutSeconds: 300,
	},
	{
		name: "soak",
		file: "test/soak/soak.ts",
		args: ["--minutes", "1"],
		timeoutSeconds: 180,
	},
];

const quickTimeoutSeconds = 60;

/** `test [SUITE|FILE ...] [-- TAP OPTIONS]`; all quick suites when nothing is named. */
export async function runTests(args) {
	await prepare();
	const dashes = args.indexOf("--");
	const isOption = (arg, at) =>
		arg.startsWith("-") || (dashes >= 0 && at > dashes);
	const tapOptions = args.filter(
		(arg, at) => at !== dashes && isOption(arg, at),
	);
	const named = args.filter((arg, at) => at !== dashes && !isOption(arg, at));
	if (named.length === 0)
		return finish(
			await runTap(filesOf(quickSuites), quickOptions(), tapOptions),
		);
	let totals = noTotals;
	for (const name of named) {
		const isIn = (one) =>
			one.name === name ||
			shortName(resolve(name)).startsWith(`test/${one.name}/`);
		const suite = slowSuites.find(isIn) ?? quickOptions();
		const files = existsSync(join(projectFolder, "test", name))
			? suiteFiles(name)
			: [resolve(name)];
		if (files.length === 0) throw expectedError(`test/${name} has no tests.`);
		if (name === "interop" || name === "package") requireTestPrograms();
		totals = addTotals(
			totals,
			await runTap(files.map(shortName), suite, tapOptions),
		);
	}
	return finish(totals);
}

/** `test:all [--rest]`: everything; with --rest without what `test` runs. */
export async function runAllTests(args) {
	await prepare();
	requireTestPrograms();
	let totals = noTotals;
	const add = (more) => {
		totals = addTotals(totals, more);
	};
	if (!args.includes("--rest"))
		add(await runTap(filesOf(quickSuites), quickOptions(), []));
	for (const suite of slowSuites) {
		const files = filesOf([suite.name]);
		if (files.length > 0) add(await runTap(files, suite, []));
	}
	for (const program of programs) {
		if (program.needs === undefined || existsSync(program.needs))
			add(await runAsTest(program));
		else
			console.log(
				`\n${program.name}: not run, ${program.needs} is not on this machine (see ${program.file})`,
			);
	}
	return finish(totals);
}

async function runAsTest({ name, file, args, timeoutSeconds }) {
	console.log(`\n${name}: ${file} ${args.join(" ")}`);
	const startMs = performance.now();
	const code = await run(runtimePath(), [join(projectFolder, file), ...args], {
		cwd: projectFolder,
		timeout: timeoutSeconds * 1000,
	});
	const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
	console.log(
		`${code === 0 ? "ok    " : "FAILED"} ${name} (${seconds} s${code === 0 ? "" : `, exit code ${code}`})`,
	);
	return {
		...noTotals,
		total: 1,
		pass: code === 0 ? 1 : 0,
		fail: code === 0 ? 0 : 1,
	};
}

/** Prints the sum and leaves it for .ci/run, which names a file for it; returns the exit code. */
function finish(totals) {
	console.log(`\n${describeTotals(totals)}`);
	if (process.env.TEST_TOTALS_FILE)
		appendFileSync(process.env.TEST_TOTALS_FILE, `${JSON.stringify(totals)}\n`);
	return isGreen(totals) ? 0 : 1;
}

function quickOptions() {
	return { timeoutSeconds: quickTimeoutSeconds, jobs: availableParallelism() };
}

function filesOf(suites) {
	return suites.flatMap(suiteFiles).map(shortName);
}

function suiteFiles(suite) {
	const folder = join(projectFolder, "test", suite);
	if (!existsSync(folder)) return [];
	return readdirSync(folder, { recursive: true, withFileTypes: true })
		.filter((entry) => entry.isFile() && entry.name.endsWith(".test.ts"))
		.map((entry) => join(entry.parentPath ?? entry.path, entry.name))
		.sort();
}

function shortName(file) {
	return relative(projectFolder, file);
}
