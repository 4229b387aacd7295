/**
 * A broker process whose every commit takes `delayMs`. Started by a test with the folder
 * for its state and the delay; says its port, then how many commits there were whenever
 * it is asked.
 */
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { RunningBroker } from "../../src/compose.ts";
import { loadConfig } from "../../src/config/config.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { LastingClock } from "../../src/platform/lasting-clock.ts";
import { Logger, levels } from "../../src/platform/logger.ts";
import { StoreClient } from "../../src/store/store-client.ts";
import type { WorkerLike } from "../../src/store/worker-messages.ts";

const [folder = "", delayMs = "0"] = process.argv.slice(2);
const { settings, listeners } = loadConfig({
	defaultFile: "/nonexistent/broker.conf",
	sets: [`data_dir=${folder}`, "listener.tcp.default=127.0.0.1:0"],
	env: {},
	underSystemd: false,
	fragments: [],
});
const say = (words: string) => process.stderr.write(`${words}\n`);
const log = new Logger(say, systemClock, {
	level: levels[1],
	classes: {},
	format: "text",
});
const clock = new LastingClock(systemClock);
const store = new StoreClient({
	path: join(folder, "broker.db"),
	clock,
	commitIntervalMs: settings["store.commit_interval"],
	lazyIntervalMs: settings["store.lazy_interval"],
	onFatal: (error) => {
		throw error;
	},
	onTrouble: say,
	workerFactory: (): WorkerLike =>
		new Worker(new URL("./slow-worker.ts", import.meta.url), {
			workerData: { delayMs: Number(delayMs) },
			execArgv: [],
		}),
});
const running = new RunningBroker({ settings, clock, log, store });
await running.start();
for (const listener of listeners) {
	const { addresses } = await running.listen(listener);
	process.send?.({ port: Number(addresses[0]?.split(":").at(-1)) });
}
process.on("message", () =>
	process.send?.({ commits: store.counters.commits }),
);
process.on("disconnect", () => process.exit());
