/** `broker bench` against our broker: every message is accounted for. About 15 s. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import type { BenchResult } from "../../src/cli/bench/result.ts";
import { countsOf, everyShape } from "../support/bench-scenarios.ts";
import { spawnBroker } from "../support/spawn-broker.ts";
import { command } from "./admin-commands.ts";
import { sources, startByHand } from "./run-broker.ts";
import { until } from "./waiting.ts";

interface Outcome {
	readonly code: number | null;
	readonly stderr: string;
	readonly passed: boolean;
	readonly result: BenchResult;
}

/** A run ends by itself; on a busy machine it is slow in doing so. */
const runMs = 120_000;

function run(t: Test, args: readonly string[]) {
	return startByHand(t, args).ended(runMs);
}

/** Of one scenario. */
async function bench(t: Test, words: string): Promise<Outcome> {
	const args = ["bench", ...words.split(" "), "--json"];
	const { code, stdout, stderr } = await run(t, args);
	if (stdout === "") throw new Error(`${words}: ${stderr}`);
	const { scenarios, passed } = JSON.parse(stdout);
	return { code, stderr, passed, result: scenarios[0] };
}

t.test("counts are exact, whatever the shape", async (t) => {
	const broker = await spawnBroker(t, {
		config: { max_offline_messages: "unlimited" },
	});
	const file = join(t.testdir({}), "all.conf");
	writeFileSync(file, everyShape(broker.port));
	const { code, stdout, stderr } = await run(t, [
		"bench",
		"run",
		file,
		"--json",
	]);
	t.equal(code, 0, stderr);
	const { scenarios } = JSON.parse(stdout) as { scenarios: BenchResult[] };
	for (const result of scenarios) {
		const wanted = countsOf(result);
		t.match(result, wanted, result.name);
		const isHalved = result.storing !== null;
		t.equal(
			result.latencyMicros?.count,
			isHalved ? undefined : wanted.received,
		);
		t.equal(result.broker?.pid, broker.pid, "the process is found by its port");
	}
	t.equal(scenarios.length, 8);
	const left = await command(t, broker, ["session", "list", "--json"]);
	t.notMatch(left.stdout, "bench-", "no session is left");
});

t.test("publishers and subscribers in processes of their own", async (t) => {
	const broker = await spawnBroker(t);
	const at = ["--port", String(broker.port)];
	const topic = ["--topic", "apart/%i"];
	const subscriber = startByHand(t, [
		...["bench", "sub", "--topic", "apart/+", "--duration", "60s"],
		...["--json", ...at],
	]);
	await until(
		() => / 1 connected/.test(subscriber.stderr),
		"it subscribes",
		runMs,
	);
	const args = ["bench", "pub", "--count", "500", "--publishers", "2"];
	const sent = await run(t, [...args, "--qos", "1", ...topic, ...at]);
	t.equal(sent.code, 0);
	t.match(sent.stdout, "1,000 messages in all, all acknowledged");
	t.match(sent.stdout, "  answered in p50 ");
	await until(
		() => /, p99 /.test(subscriber.stderr),
		"what was published has arrived",
		runMs,
	);
	subscriber.child.kill("SIGINT");
	const { code, stdout } = await subscriber.ended(runMs);
	t.equal(code, 130, "an interrupt ends it with the figures so far");
	t.match(JSON.parse(stdout).scenarios[0], {
		received: 1000,
		expected: null,
		lost: 0,
		duplicates: 0,
		endedEarly: "interrupted",
	});
});

t.test("messages to the ids of clients, one each in turn", async (t) => {
	const broker = await spawnBroker(t);
	const at = ["--port", String(broker.port)];
	const subscriber = startByHand(t, [
		...["bench", "sub", "--topic", "%04i", "--subscribers", "20"],
		...["--duration", "60s", "--json", ...at],
	]);
	await until(
		() => / 20 connected/.test(subscriber.stderr),
		"all are there",
		runMs,
	);
	const words = "pub --to-ids 0000-0019 --count 40 --interval 5ms";
	t.match((await bench(t, `${words} ${at.join(" ")}`)).result, { sent: 40 });
	await until(
		() => /, p99 /.test(subscriber.stderr),
		"they have arrived",
		runMs,
	);
	subscriber.child.kill("SIGINT");
	const { stdout } = await subscriber.ended(runMs);
	// Each got every 20th: 2 of 40. The gaps between are the others'.
	t.match(JSON.parse(stdout).scenarios[0], { received: 40, duplicates: 0 });
});

t.test("over a unix socket, with the process behind it", async (t) => {
	// Not below the project: the path of a socket is short.
	const folder = await mkdtemp(join(tmpdir(), "bench-"));
	t.teardown(() => rm(folder, { recursive: true, force: true }));
	const path = join(folder, "mqtt.sock");
	const broker = await spawnBroker(t, {
		config: { "listener.unix.local": path },
	});
	const { result } = await bench(t, `pair --count 20 --qos 1 --unix ${path}`);
	t.match(result, { sent: 200, received: 200, lost: 0 });
	t.equal(result.broker?.pid, broker.pid);
});

t.test("a storm of connections", async (t) => {
	const broker = await spawnBroker(t);
	const words = `connect -n 300 --concurrency 50 --hold 0.1s --port ${broker.port}`;
	const { code, result } = await bench(t, words);
	t.equal(code, 0);
	t.match(result, { connected: 300, refused: 0, disconnects: 0 });
	t.equal(result.connectMicros.count, 300);
	t.ok((result.broker?.rssStartBytes ?? 0) > 0);
});

t.test("a scenario file with limits decides the exit code", async (t) => {
	const broker = await spawnBroker(t);
	const file = join(t.testdir({}), "load.conf");
	const lines = [
		`port = ${broker.port}`,
		"count = 100",
		"scenario.fan.shape = fanout",
		"scenario.fan.subscribers = 3",
		"scenario.pairs.shape = pair",
		"limit.lost = 0",
	];
	writeFileSync(file, [...lines, "limit.p99 = 1h"].join("\n"));
	const page = join(t.testdirName, "load.html");
	const good = await run(t, ["bench", "run", file, "--report", page]);
	t.equal(good.code, 0, good.stderr);
	t.match(readFileSync(page, "utf8"), /fan \(fanout\).*pairs \(pair\)/s);
	t.match(good.stdout, /^fan \(fanout\): 1 publisher, 3 subscribers/m);
	t.match(good.stdout, /^pairs \(pair\): /m);
	t.equal(good.stdout.match(/ {2}passed /g)?.length, 4);

	writeFileSync(file, [...lines, "limit.p50 = 0.01us"].join("\n"));
	const bad = await run(t, ["bench", "run", file, "--quiet"]);
	t.equal(bad.code, 1);
	t.match(bad.stderr, /^fan: limit broken: p50 .*, at most 0.01 us$/m);
	t.match(bad.stdout, / {2}FAILED {6}p50 /);

	writeFileSync(file, [...lines, "window = none"].join("\n"));
	const wrong = await run(t, ["bench", "run", file]);
	t.equal(wrong.code, 2);
	t.match(wrong.stderr, `${file}:7: window = none: must be a whole number`);
});

t.test(
	"a host that is not this machine is refused, one that is gone named",
	async (t) => {
		const far = await run(t, ["bench", "pub", "--host", "192.0.2.1"]);
		t.equal(far.code, 2);
		t.match(far.stderr, "192.0.2.1:1883 is not this machine");
		const args = ["bench", "connect", "-n", "1000"];
		const few = ["--nofile=400:400", process.execPath, sources, ...args];
		const many = spawnSync("prlimit", few, { encoding: "utf8" });
		t.equal(many.status, 2);
		t.match(
			many.stderr,
			"1050 open files, and 400 are allowed: ulimit -n 1050",
		);
		const gone = await run(t, ["bench", "pub", "--port", "1"]);
		t.equal(gone.code, 1);
		t.match(gone.stderr, /127\.0\.0\.1:1: bench-.*ECONNREFUSED/);
	},
);

t.test("a broker that dies ends the run", async (t) => {
	const broker = await spawnBroker(t);
	const words = ["bench", "fanout", "--duration", "60s", "--json"];
	const load = startByHand(t, [...words, "--port", String(broker.port)]);
	await until(() => /, p99 /.test(load.stderr), "messages flow", runMs);
	await broker.kill("SIGKILL");
	const { stdout } = await load.ended(runMs);
	t.match(JSON.parse(stdout).scenarios[0], {
		endedEarly: "disconnected",
		disconnects: 101,
	});
});
