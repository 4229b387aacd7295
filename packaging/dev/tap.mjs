// Runs tap and reads its TAP output: a line per test file as it ends, the details of what
// failed, was skipped or is marked todo, and the totals that tap itself prints at the end.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import {
	forwardSignals,
	projectFolder,
	run,
	runtimeEnvironment,
	runtimePath,
} from "./runtime.mjs";

export const noTotals = { total: 0, pass: 0, fail: 0, skip: 0, todo: 0 };
/** Every file and every worker of a test compiles the same sources: half of all the time. */
const compileCache = join(projectFolder, "build/compile-cache");
const tapProgram = join(projectFolder, "node_modules/tap/dist/esm/run.mjs");

/**
 * Runs test files, paths below the project's folder.
 * @param {string[]} files
 * @param {{ timeoutSeconds: number, jobs: number }} options
 * @param {string[]} tapOptions further options for tap
 * @returns {Promise<typeof noTotals>} what tap counted; one failure more when tap itself failed
 */
export async function runTap(files, { timeoutSeconds, jobs }, tapOptions) {
	await buildTap();
	const args = [
		"run",
		"--reporter=tap",
		`--jobs=${jobs}`,
		`--timeout=${timeoutSeconds}`,
		...tapOptions,
		...files,
	];
	const child = spawn(runtimePath(), [tapProgram, ...args], {
		cwd: projectFolder,
		env: { NODE_COMPILE_CACHE: compileCache, ...runtimeEnvironment() },
		stdio: ["ignore", "pipe", "inherit"],
	});
	const stopForwarding = forwardSignals(child);
	const exit = new Promise((resolve, reject) => {
		child.once("error", reject);
		child.once("close", (code) => resolve(code ?? 1));
	});
	const reader = new TapReader();
	for await (const line of createInterface({ input: child.stdout }))
		reader.line(line);
	const code = await exit;
	stopForwarding();
	const { totals } = reader;
	if (totals === null) return { ...noTotals, total: 1, fail: 1 };
	return code !== 0 && isGreen(totals)
		? addTotals(totals, { ...noTotals, total: 1, fail: 1 })
		: totals;
}

/**
 * Builds tap with the plugins of .taprc when its last build was with others: a fresh npm ci
 * has it with the TypeScript plugin, which does not work with Node's own type stripping.
 */
export async function buildTap() {
	const built = join(
		projectFolder,
		"node_modules/@tapjs/test/test-built/dist/esm/index.js",
	);
	if (!readFileSync(built, "utf8").includes('"@tapjs/typescript"')) return;
	await run(runtimePath(), [tapProgram, "build"], {
		cwd: projectFolder,
		stdio: "ignore",
	});
}

export function addTotals(a, b) {
	return Object.fromEntries(
		Object.keys(noTotals).map((key) => [key, a[key] + b[key]]),
	);
}

export function isGreen({ total, fail, skip, todo }) {
	return total > 0 && fail + skip + todo === 0;
}

export function describeTotals({ pass, fail, skip, todo }) {
	const more = [
		skip > 0 && `${skip} skipped`,
		todo > 0 && `${todo} todo`,
	].filter(Boolean);
	return [`${pass} passed, ${fail} failed`, ...more].join(", ");
}

/** Reads TAP line by line: top-level lines are test files, indented ones what is in them. */
class TapReader {
	/** The totals of tap's last line, null until it came. */
	totals = null;
	#block = [];

	line(text) {
		const counts = /^# \{ (total: .*) \}$/.exec(text);
		const file = /^(not )?ok \d+ - (.*?)(?: # (.*))?$/.exec(text);
		if (counts !== null)
			this.totals = { ...noTotals, ...readCounts(counts[1]) };
		else if (file !== null)
			this.#endOfFile(file[1] === undefined, file[2], file[3] ?? "");
		else if (/^ {2}(expired|signal|exitCode): (?!null)/.test(text))
			console.log(`    ${text.trim()}`);
		else this.#block.push(text);
	}

	#endOfFile(passed, name, remark) {
		console.log(
			`${passed ? "ok    " : "FAILED"} ${name} ${remark.replace(/^time=/, "")}`,
		);
		for (const line of remarkable(this.#block)) console.log(line);
		this.#block = [];
	}
}

/** "total: 9, pass: 5" as an object. */
function readCounts(text) {
	return Object.fromEntries(
		text.split(", ").map((part) => {
			const [key, value] = part.split(": ");
			return [key, Number(value)];
		}),
	);
}

/**
 * The lines worth a look: failed, skipped and todo tests, and the diagnostics of the failed
 * ones. Of a test that failed because of one inside it only the name is kept.
 */
function remarkable(block) {
	const kept = [];
	let previousIndent = 0;
	let lastFailed = false;
	let diagnosticIndent = -1;
	for (const line of block) {
		const text = line.trim();
		if (text === "") continue;
		const indent = line.length - line.trimStart().length;
		if (diagnosticIndent >= 0) {
			if (lastFailed) kept.push(line);
			if (indent === diagnosticIndent && text === "...") diagnosticIndent = -1;
			continue;
		}
		if (indent >= 4 && text === "---") {
			diagnosticIndent = indent;
			if (lastFailed) kept.push(line);
			continue;
		}
		const failed = text.startsWith("not ok");
		if (
			failed ||
			/^ok\b.* # (SKIP|TODO)\b/.test(text) ||
			text.startsWith("Bail out!")
		)
			kept.push(line);
		lastFailed = failed && previousIndent <= indent;
		previousIndent = indent;
	}
	return kept;
}
