/** `broker bench` against mosquitto: it is for any broker, and every message is accounted for. */
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import type { BenchResult } from "../../src/cli/bench/result.ts";
import { countsOf, everyShape } from "../support/bench-scenarios.ts";
import { spawnBroker } from "../support/spawn-broker.ts";

const program = resolve(import.meta.dirname, "../../src/main.ts");

t.test("counts are exact, whatever the shape", async (t) => {
	const broker = await spawnBroker(t, {
		kind: "mosquitto",
		mosquittoConfig: { max_inflight_messages: "0" },
	});
	const file = join(t.testdir({}), "all.conf");
	writeFileSync(file, everyShape(broker.port));
	const args = [program, "bench", "run", file, "--json"];
	const { stdout } = await promisify(execFile)(process.execPath, args);
	const { scenarios } = JSON.parse(stdout) as { scenarios: BenchResult[] };
	t.equal(scenarios.length, 8);
	for (const result of scenarios) {
		t.match(result, countsOf(result), result.name);
		t.equal(result.broker?.pid, broker.pid, "its process is found by its port");
	}
});
