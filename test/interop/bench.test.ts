/** `broker bench` against mosquitto: it is for any broker, and every message is accounted for. */
import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import type { BenchResult } from "../../src/cli/bench/result.ts";
import { spawnBroker } from "../support/spawn-broker.ts";

const program = resolve(import.meta.dirname, "../../src/main.ts");

t.test("counts are exact, whatever the shape", async (t) => {
	const broker = await spawnBroker(t, {
		kind: "mosquitto",
		mosquittoConfig: { max_inflight_messages: "0" },
	});
	const runs: readonly (readonly [
		words: string,
		sent: number,
		copies: number,
	])[] = [
		["fanin --publishers 3 --subscribers 2 --count 200 --lag 50", 600, 2],
		["fanout --subscribers 5 --count 100 --qos 1 --mqtt 5 --lag 50", 100, 5],
		["pair --publishers 4 --count 100 --qos 2 --lag 50", 400, 1],
		["pair --publishers 2 --count 50 --qos 1 --rate 300 --mqtt 5", 100, 1],
		["offline --subscribers 2 --count 150", 300, 1],
		["retained --topics 300 --mqtt 5", 300, 1],
	];
	for (const [words, sent, copies] of runs) {
		const args = ["bench", ...words.split(" "), "--duration", "60s", "--json"];
		const { stdout } = await promisify(execFile)(process.execPath, [
			program,
			...args,
			...["--port", String(broker.port)],
		]);
		const result: BenchResult = JSON.parse(stdout).scenarios[0];
		t.match(
			result,
			{
				sent,
				acknowledged: result.qos > 0 ? sent : 0,
				received: sent * copies,
				lost: 0,
				duplicates: 0,
				reordered: 0,
				foreign: 0,
				disconnects: 0,
				endedEarly: "",
			},
			words,
		);
		t.equal(result.broker?.pid, broker.pid, "its process is found by its port");
	}
});
