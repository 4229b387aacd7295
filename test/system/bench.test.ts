/** `broker bench` against our broker: every message is accounted for. About 15 s. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import type { BenchResult } from "../../src/cli/bench/result.ts";
import { spawnBroker } from "../support/spawn-broker.ts";
import { command } from "./admin-commands.ts";
import { runBroker, startByHand } from "./run-broker.ts";
import { until } from "./waiting.ts";

interface Outcome {
	readonly code: number | null;
	readonly stderr: string;
	readonly passed: boolean;
	readonly result: BenchResult;
}

/** Runs it to its end. */
async function bench(t: Test, words: string): Promise<Outcome> {
	const args = ["bench", ...words.split(" "), "--json"];
	const { code, stdout, stderr } = await runBroker(t, args);
	if (stdout === "") throw new Error(`${words}: ${stderr}`);
	const { scenarios, passed } = JSON.parse(stdout);
	return { code, stderr, passed, result: scenarios[0] };
}

t.test("counts are exact, whatever the shape", async (t) => {
	const broker = await spawnBroker(t);
	const at = `--port ${broker.port}`;
	const runs: readonly (readonly [
		words: string,
		sent: number,
		copies: number,
	])[] = [
		["fanin --publishers 4 --subscribers 2 --count 300", 1200, 2],
		["fanout --subscribers 7 --count 200 --qos 1", 200, 7],
		["pair --publishers 5 --count 100 --qos 2 --mqtt 5", 500, 1],
		[
			"pair --publishers 3 --count 50 --qos 1 --topics 9 --payload 70KB",
			150,
			1,
		],
		["fanin --publishers 3 --count 40 --qos 1 --rate 400 --mqtt 5", 120, 1],
	];
	for (const [words, sent, copies] of runs) {
		const { code, result } = await bench(
			t,
			`${words} --lag 50 --duration 60s ${at}`,
		);
		t.equal(code, 0, words);
		t.match(result, {
			sent,
			acknowledged: result.qos > 0 ? sent : 0,
			expected: sent * copies,
			received: sent * copies,
			lost: 0,
			duplicates: 0,
			reordered: 0,
			foreign: 0,
			disconnects: 0,
			endedEarly: "",
		});
		t.equal(result.latencyMicros?.count, sent * copies, words);
		t.equal(result.broker?.pid, broker.pid, "the process is found by its port");
	}
});

t.test("publishers and subscribers in processes of their own", async (t) => {
	const broker = await spawnBroker(t);
	const at = ["--port", String(broker.port)];
	const topic = ["--topic", "apart/%i"];
	const subscriber = startByHand(t, [
		...["bench", "sub", "--topic", "apart/+", "--duration", "60s"],
		...["--json", ...at],
	]);
	await until(() => / 1 connected/.test(subscriber.stderr), "it subscribes");
	const args = ["bench", "pub", "--count", "500", "--publishers", "2"];
	const sent = await runBroker(t, [...args, "--qos", "1", ...topic, ...at]);
	t.equal(sent.code, 0);
	t.match(sent.stdout, "1,000 messages in all, all acknowledged");
	await until(
		() => /, p99 /.test(subscriber.stderr),
		"what was published has arrived",
	);
	subscriber.child.kill("SIGINT");
	const { code, stdout } = await subscriber.ended();
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
	await until(() => / 20 connected/.test(subscriber.stderr), "all are there");
	const words = "pub --to-ids 0000-0019 --count 40 --interval 5ms";
	t.match((await bench(t, `${words} ${at.join(" ")}`)).result, { sent: 40 });
	await until(() => /, p99 /.test(subscriber.stderr), "they have arrived");
	subscriber.child.kill("SIGINT");
	const { stdout } = await subscriber.ended();
	// Each got every 20th: 2 of 40. The gaps between are the others'.
	t.match(JSON.parse(stdout).scenarios[0], { received: 40, duplicates: 0 });
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

t.test("what waits for subscribers, and what is retained", async (t) => {
	const broker = await spawnBroker(t, {
		config: { max_offline_messages: "unlimited" },
	});
	const at = `--port ${broker.port} --duration 60s`;
	const queued = await bench(t, `offline --subscribers 3 --count 400 ${at}`);
	t.equal(queued.code, 0);
	t.match(queued.result, {
		sent: 1200,
		acknowledged: 1200,
		received: 1200,
		lost: 0,
		duplicates: 0,
		reordered: 0,
		latencyMicros: null,
	});
	t.ok((queued.result.storing?.rate ?? 0) > 0);
	for (const filter of ["", " --filter #"]) {
		// The second finds nothing of the first: it has cleaned up.
		const words = `retained --topics 1500 --mqtt 5${filter} ${at}`;
		const { code, result } = await bench(t, words);
		t.equal(code, 0);
		t.match(result, { sent: 1500, received: 1500, lost: 0, foreign: 0 });
	}
	const { stdout } = await command(t, broker, ["session", "list", "--json"]);
	t.notMatch(stdout, "bench-", "no session is left");
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
	const good = await runBroker(t, ["bench", "run", file]);
	t.equal(good.code, 0, good.stderr);
	t.match(good.stdout, /^fan \(fanout\): 1 publisher, 3 subscribers/m);
	t.match(good.stdout, /^pairs \(pair\): /m);
	t.equal(good.stdout.match(/ {2}passed /g)?.length, 4);

	writeFileSync(file, [...lines, "limit.p50 = 0.01us"].join("\n"));
	const bad = await runBroker(t, ["bench", "run", file, "--quiet"]);
	t.equal(bad.code, 1);
	t.match(bad.stderr, /^fan: limit broken: p50 .*, at most 0.01 us$/m);
	t.match(bad.stdout, / {2}FAILED {6}p50 /);

	writeFileSync(file, [...lines, "window = none"].join("\n"));
	const wrong = await runBroker(t, ["bench", "run", file]);
	t.equal(wrong.code, 2);
	t.match(wrong.stderr, `${file}:7: window = none: must be a whole number`);
});

t.test(
	"a host that is not this machine is refused, one that is gone named",
	async (t) => {
		const far = await runBroker(t, ["bench", "pub", "--host", "192.0.2.1"]);
		t.equal(far.code, 2);
		t.match(far.stderr, "192.0.2.1:1883 is not this machine");
		const gone = await runBroker(t, ["bench", "pub", "--port", "1"]);
		t.equal(gone.code, 1);
		t.match(gone.stderr, /127\.0\.0\.1:1: bench-.*ECONNREFUSED/);
	},
);

t.test("a broker that dies ends the run", async (t) => {
	const broker = await spawnBroker(t);
	const words = ["bench", "fanout", "--duration", "60s", "--json"];
	const run = startByHand(t, [...words, "--port", String(broker.port)]);
	await until(() => /, p99 /.test(run.stderr), "messages flow");
	await broker.kill("SIGKILL");
	const { stdout } = await run.ended();
	t.match(JSON.parse(stdout).scenarios[0], {
		endedEarly: "disconnected",
		disconnects: 101,
	});
});
