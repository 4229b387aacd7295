/** The bundle does what the sources do, from any working folder. */
import { execFile } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { runBroker } from "./run-broker.ts";
import { runStartScenarios } from "./start-scenarios.ts";

const projectRoot = resolve(import.meta.dirname, "../..");
const bundle = join(projectRoot, "build/broker.cjs");

if (isOutOfDate()) {
	await promisify(execFile)(
		process.execPath,
		[join(projectRoot, "build.mjs"), "bundle"],
		{ cwd: projectRoot },
	);
}
t.ok(existsSync(bundle), "npm run bundle writes build/broker.cjs");
runStartScenarios(t, { entry: bundle, cwd: tmpdir() });

t.test("the bundle checks a configuration as the sources do", async (t) => {
	const folder = t.testdir({ "broker.conf": "max_qoss = 1\n" });
	const file = join(folder, "broker.conf");
	const run = (entry: string) =>
		runBroker(t, ["--check-config", "-c", file], { entry, cwd: folder });
	const ours = await run(bundle);
	t.equal(ours.code, 1);
	t.strictSame(ours, await run(join(projectRoot, "src/main.ts")));
});

/** The bundle is missing, or older than a file it was made of. */
function isOutOfDate(): boolean {
	if (!existsSync(bundle)) return true;
	const builtMs = statSync(bundle).mtimeMs;
	return readdirSync(join(projectRoot, "src"), {
		recursive: true,
		withFileTypes: true,
	}).some(
		(entry) =>
			entry.isFile() &&
			statSync(join(entry.parentPath, entry.name)).mtimeMs > builtMs,
	);
}
