/**
 * `npm run soak:memory`: memory_limit in full size. 2,000,000 messages of 256 B for
 * 100 clients that are away, 500,000 retained topics, a `#` subscriber that reads
 * slowly and one that does not read at all, 2,000 connected clients, with
 * memory_limit = 160MB, in a control group that kills shortly above; everything is
 * delivered later. Then, with an empty broker, 300,000 persistent sessions, each with a
 * subscription, a third to a topic of its own, whose clients never come back. Takes several minutes and 2 GB of disk.
 *
 * Options: --share N runs an Nth part of it; --only queues or sessions; --no-cgroup
 * watches the RSS only.
 * Runs build/broker.cjs (made by the npm script), or TEST_BUNDLE.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { inMiB } from "../system/memory.ts";
import { LIMIT_BYTES, runMemoryTest } from "./memory-run.ts";

const { values } = parseArgs({
	options: {
		share: { type: "string", default: "1" },
		only: { type: "string" },
		"no-cgroup": { type: "boolean", default: false },
	},
});
const share = Number(values.share);
if (!(share >= 1)) throw new Error("--share needs a number from 1 on");
process.env.TEST_BUNDLE ??= join(import.meta.dirname, "../../build/broker.cjs");
if (values["no-cgroup"]) {
	console.log("no control group: only the RSS is watched, nothing is killed");
}
const sizes = {
	absentClients: 100,
	queuedMessages: Math.floor(2_000_000 / share),
	retainedTopics: Math.floor(500_000 / share),
	crowd: Math.floor(2000 / Math.min(share, 7)),
	sessions: Math.floor(300_000 / share),
};
for (const what of ["queues", "sessions"] as const) {
	if (values.only !== undefined && values.only !== what) continue;
	console.log(`\n${what}`);
	const { peakBytes, failures } = await runMemoryTest({
		...sizes,
		what,
		inCgroup: !values["no-cgroup"],
		say: (line) => console.log(line),
	});
	console.log(`at most ${inMiB(peakBytes)} of ${inMiB(LIMIT_BYTES)}`);
	for (const failure of failures) console.log(`FAILED ${failure}`);
	if (failures.length > 0) process.exitCode = 1;
}
