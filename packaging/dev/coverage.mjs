// Runs the quick tests with coverage and holds the folders in which a missed branch is a missed
// rule of the standard to 95 % of lines and branches. Glue has no threshold: it would only
// invite empty tests.

import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { prepare, projectFolder, run, runtimePath } from "./runtime.mjs";
import { runTests } from "./tests.mjs";

const leastPercent = 95;
const strictFolders = ["src/protocol", "src/session", "src/topics"];

export async function coverage() {
	await prepare();
	const testCode = await runTests([
		"--",
		"--no-disable-coverage",
		"--coverage-report=json-summary",
	]);
	const tap = join(projectFolder, "node_modules/tap/dist/esm/run.mjs");
	await run(runtimePath(), [tap, "report", "text"], { cwd: projectFolder });
	const summary = JSON.parse(
		readFileSync(
			join(projectFolder, ".tap/report/coverage-summary.json"),
			"utf8",
		),
	);
	let code = testCode;
	for (const folder of strictFolders) {
		const { lines, branches } = folderPercent(summary, folder);
		const enough = lines >= leastPercent && branches >= leastPercent;
		console.log(
			`${enough ? "ok    " : "FAILED"} ${folder}: ${lines} % of lines, ${branches} % of branches`,
		);
		if (!enough) code = 1;
	}
	return code;
}

/** Covered share of all files of a folder together, rounded down to a tenth of a percent. */
function folderPercent(summary, folder) {
	const files = Object.entries(summary)
		.filter(([file]) => relative(projectFolder, file).startsWith(`${folder}/`))
		.map(([, counts]) => counts);
	const percent = (kind) => {
		const total = files.reduce((sum, counts) => sum + counts[kind].total, 0);
		const covered = files.reduce(
			(sum, counts) => sum + counts[kind].covered,
			0,
		);
		return total === 0 ? 0 : Math.floor((covered / total) * 1000) / 10;
	};
	return { lines: percent("lines"), branches: percent("branches") };
}
