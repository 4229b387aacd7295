/** Messages that are acknowledged in time cost the disk nothing, in a real process. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { Exchange } from "../support/exchange.ts";
import { type SpawnedBroker, spawnBroker } from "../support/spawn-broker.ts";
import { quantile, until } from "./waiting.ts";

interface StoreReport {
	readonly commits: number;
	readonly cancelled: number;
	readonly pendingBytes: number;
	readonly pages: Record<string, number>;
}

async function report(
	broker: SpawnedBroker,
	file: string,
): Promise<StoreReport> {
	rmSync(file, { force: true });
	process.kill(broker.pid, "SIGUSR2");
	await until(
		() => existsSync(file) && readFileSync(file, "utf8").endsWith("}"),
		"the report",
	);
	return JSON.parse(readFileSync(file, "utf8")).store;
}

for (const durability of ["strict", "relaxed"])
	t.test(
		`ten online clients commit no page for messages acknowledged in time (${durability})`,
		async (t) => {
			const file = join(t.testdir(), "report");
			const broker = await spawnBroker(t, {
				// Long enough for a machine that is busy with other things.
				config: { durability, "store.commit_interval": "5s" },
				env: { TEST_REPORT_FILE: file },
			});
			const exchange = new Exchange({
				port: broker.port,
				name: "wear",
				clients: 10,
				messagesPerSecond: 100,
				seconds: 5,
				lateMs: 20,
				payloadBytes: 100,
			});
			await exchange.connect();
			let before = await report(broker, file);
			while (before.pendingBytes > 0) before = await report(broker, file);
			const { messages, latenciesMs } = await exchange.run();
			const after = await report(broker, file);
			t.equal(after.cancelled - before.cancelled, messages);
			t.equal(after.commits, before.commits);
			t.strictSame(after.pages, before.pages);
			const median = quantile(latenciesMs, 0.5).toFixed(1);
			t.comment(`PUBACK after ${median} ms, acknowledgements 20 ms late`);
			await exchange.end();
		},
	);
