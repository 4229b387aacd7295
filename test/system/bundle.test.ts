/** The bundle does what the sources do, from any working folder. */
import { existsSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import t from "tap";
import { freshBundle } from "./fresh-bundle.ts";
import { runBroker } from "./run-broker.ts";
import { offersCommandsOnly, runStartScenarios } from "./start-scenarios.ts";

const projectRoot = resolve(import.meta.dirname, "../..");
const bundle = await freshBundle();

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

t.test("the bundle called as brokerctl has the same commands", async (t) => {
	const link = join(t.testdir(), "brokerctl.cjs");
	symlinkSync(bundle, link);
	await offersCommandsOnly(t, link, { entry: link });
});
