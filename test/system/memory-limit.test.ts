/**
 * A tenth of the memory soak (test/soak/memory.ts), with the same memory_limit of 160 MB:
 * 200,000 messages for 100 absent clients, 50,000 retained topics, slow readers and 300
 * connected clients; 30,000 sessions that stay away. About a minute on a quiet machine.
 * TEST_CGROUP=off watches the RSS only, where no control group can be made.
 */
import t, { type Test } from "tap";
import { LIMIT_BYTES, runMemoryTest } from "../soak/memory-run.ts";
import { freshBundle } from "./fresh-bundle.ts";
import { inMiB } from "./memory.ts";

process.env.TEST_BUNDLE = await freshBundle();
const inCgroup = process.env.TEST_CGROUP !== "off";

async function check(t: Test, what: "queues" | "sessions"): Promise<void> {
	if (!inCgroup) t.comment("TEST_CGROUP=off: only the RSS is watched");
	const { peakBytes, kills, failures, status } = await runMemoryTest({
		what,
		absentClients: 100,
		queuedMessages: 200_000,
		retainedTopics: 50_000,
		crowd: 300,
		sessions: 30_000,
		inCgroup,
		say: (line) => t.comment(line),
	});
	t.strictSame(failures, [], "everything is delivered, in order, unharmed");
	t.equal(kills, 0, "the kernel kills nobody");
	t.ok(peakBytes < LIMIT_BYTES, `at most ${inMiB(peakBytes)}`);
	t.ok((status?.largest.length ?? 0) > 0, "the largest holders are known");
	t.ok((status?.chargedBytes ?? 0) > 0);
}

t.test("queues and retained messages far beyond the memory", (t) =>
	check(t, "queues"),
);

t.test("sessions whose clients never come back", (t) => check(t, "sessions"));
