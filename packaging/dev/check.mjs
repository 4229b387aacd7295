// Everything that can be said about the sources without running the broker. All parts run even
// when one fails, so that one go shows everything.

import { join } from "node:path";
import { prepare, projectFolder, run, runtimePath } from "./runtime.mjs";
import { runTests } from "./tests.mjs";

/** Each with its arguments; .js files run on the pinned runtime. */
const tools = [
	{ name: "lint", program: "node_modules/.bin/biome", args: ["check", "."] },
	{ name: "types", program: "node_modules/.bin/tsc", args: ["-p", "."] },
	{ name: "unused code", program: "node_modules/knip/bin/knip.js", args: [] },
];

export async function check() {
	await prepare();
	let failed = 0;
	for (const { name, program, args } of tools) {
		const path = join(projectFolder, program);
		const command = path.endsWith(".js")
			? [runtimePath(), path, ...args]
			: [path, ...args];
		const code = await run(command[0], command.slice(1), {
			cwd: projectFolder,
		});
		console.log(`${code === 0 ? "ok    " : "FAILED"} ${name}`);
		if (code !== 0) failed++;
	}
	if ((await runTests(["architecture"])) !== 0) failed++;
	return failed === 0 ? 0 : 1;
}
