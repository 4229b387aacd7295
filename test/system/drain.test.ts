/**
 * A client that comes back to a long queue: served in order, and not much slower than it is
 * served live. `npm run bench:drain` has the figures; the bounds here catch a collapse only.
 * Takes about 15 s.
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import {
	type DrainFigures,
	type DrainOrder,
	measureDrain,
} from "../bench/drain-run.ts";
import { connectRaw } from "../support/raw-client.ts";
import { spawnBroker } from "../support/spawn-broker.ts";
import { until } from "./waiting.ts";

const WINDOW = 20;
const unlimited = {
	max_inflight_messages: String(WINDOW),
	max_offline_messages: "unlimited",
	max_online_messages: "unlimited",
};
const LEAST_SHARE = 1 / 4;
/** Live messages to others; a commit or a page takes milliseconds. */
const LATEST_BESIDE_MS = 2000;

t.test("serves what waited at a good part of the live rate", async (t) => {
	const { port } = await spawnBroker(t, { config: unlimited });
	const order = { messages: 20_000, clients: 1, besideRate: 0 };
	let figures = await drain(t, port, order);
	// A busy machine may stall one, not two.
	if (share(figures) < LEAST_SHARE) figures = await drain(t, port, order);
	t.ok(share(figures) >= LEAST_SHARE, `${share(figures).toFixed(2)} of it`);
});

t.test("serves several clients at once, and others meanwhile", async (t) => {
	const { port } = await spawnBroker(t, { config: unlimited });
	const order = { messages: 5000, clients: 5, besideRate: 500 };
	const { besideWorstMs } = await drain(t, port, order);
	t.comment(`others waited ${Math.round(besideWorstMs)} ms at worst`);
	t.ok(besideWorstMs < LATEST_BESIDE_MS);
});

t.test("serves what waited while memory is short", async (t) => {
	const report = join(t.testdir(), "report.json");
	const broker = await spawnBroker(t, {
		config: { ...unlimited, memory_limit: "96MB" },
		env: { TEST_REPORT_FILE: report },
	});
	const stage = async () => {
		rmSync(report, { force: true });
		process.kill(broker.pid, "SIGUSR2");
		let found = "";
		await until(() => {
			const text = existsSync(report) ? readFileSync(report, "utf8") : "";
			found = /"stage":"(\w+)"/.exec(text)?.[1] ?? "";
			return found !== "";
		}, "the broker's report");
		return found;
	};
	// The packet takes 71 % of the 8 MB that such a limit leaves; the last bytes never come.
	const hog = await connectRaw({ port: broker.port, clientId: "hog" });
	await hog.push(Buffer.from([0x30, 0xf0, 0x93, 0xeb, 0x02, 0, 1, 0x78]));
	await hog.push(Buffer.alloc(5_900_000));
	await until(
		async () => (await stage()) === "spill",
		"memory is short",
		20_000,
	);
	await drain(t, broker.port, { messages: 5000, clients: 2, besideRate: 0 });
	t.not(await stage(), "normal", "and was short all the time");
	t.notOk(hog.isClosed);
	hog.socket.destroy();
});

async function drain(
	t: Test,
	port: number,
	order: Pick<DrainOrder, "messages" | "clients" | "besideRate">,
): Promise<DrainFigures> {
	const figures = await measureDrain({
		port,
		window: WINDOW,
		payloadBytes: 256,
		...order,
	});
	const { liveRate, drainRate, mistakes } = figures;
	t.comment(`live ${Math.round(liveRate)}/s, drain ${Math.round(drainRate)}/s`);
	t.equal(mistakes, 0, "each message once, in order");
	return figures;
}

function share({ drainRate, liveRate }: DrainFigures): number {
	return drainRate / liveRate;
}
