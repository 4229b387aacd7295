/**
 * A start with a large state: 1,000 sessions, 10,000 subscriptions, 100,000 retained topics
 * and 1,000,000 queued messages, with nothing of it in the system's cache. Takes about 15 s.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, rmSync, statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import {
	dropFromCache,
	measureStart,
	type StartFigures,
} from "../support/measure-start.ts";
import { connectRaw } from "../support/raw-client.ts";
import { type SpawnedBroker, spawnBroker } from "../support/spawn-broker.ts";
import { clientIdOf, LARGE_STATE } from "../support/state-on-disk.ts";

/** A start takes a quarter of a second on a quiet machine; */
const LATEST_CONNACK_MS = 2000;
/** on a busy one it may take so many times what a start without any state does. */
const BUSY_SHARE = 4;
const MOST_READ_BYTES = 20e6;
/** The log is copied into the database before it grows beyond this. */
const LARGEST_LOG_BYTES = 7.5e6;
const TMPFS = 0x01021994;
const writer = join(import.meta.dirname, "../support/state-on-disk.ts");

t.test("accepts clients within two seconds of a start", async (t) => {
	const broker = await spawnBroker(t);
	await broker.stop();
	const path = join(broker.dataDir, "broker.db");
	const empty = await coldStart(broker);
	await broker.stop();
	for (const file of filesOf(broker)) rmSync(file);
	execFileSync(process.execPath, [writer, path]);

	await t.test("after an orderly stop", async (t) => {
		await checkStart(t, broker, empty, () => broker.stop());
		await checkQueue(t, broker, 1);
	});
	await broker.stop();

	await t.test("after kill -9 with a full log", async (t) => {
		const fillLog = async () => {
			await broker.kill("SIGKILL");
			const shape = JSON.stringify({ walBytes: LARGEST_LOG_BYTES });
			t.throws(() => execFileSync(process.execPath, [writer, path, shape]));
			const { size } = statSync(`${path}-wal`);
			t.ok(size >= LARGEST_LOG_BYTES, "the log is as long as it gets");
		};
		await fillLog();
		await checkStart(t, broker, empty, fillLog);
		await checkQueue(t, broker, 6);
		t.notMatch(broker.stderr(), /could not be used|is gone/, "no damage seen");
	});
});

/** A busy machine may stall one start, not two. */
async function checkStart(
	t: Test,
	broker: SpawnedBroker,
	empty: StartFigures,
	again: () => Promise<unknown>,
): Promise<void> {
	const latestMs = Math.max(LATEST_CONNACK_MS, BUSY_SHARE * empty.connackMs);
	let figures = await coldStart(broker);
	if (figures.connackMs > latestMs) {
		t.comment(`the first took ${Math.round(figures.connackMs)} ms`);
		await again();
		figures = await coldStart(broker);
	}
	const readBytes = figures.readBytes - empty.readBytes;
	t.comment(
		`CONNACK after ${Math.round(figures.connackMs)} ms (empty: ${Math.round(empty.connackMs)} ms), ${(readBytes / 1e6).toFixed(1)} MB read`,
	);
	t.ok(figures.connackMs <= latestMs, "in time");
	t.ok(readBytes <= MOST_READ_BYTES, "with little to read");
	if (statfsSync(broker.dataDir).type !== TMPFS)
		t.ok(readBytes > 0, "and nothing was in the cache");
}

function coldStart(broker: SpawnedBroker): Promise<StartFigures> {
	dropFromCache(filesOf(broker));
	return measureStart(broker);
}

function filesOf({ dataDir }: SpawnedBroker): string[] {
	return readdirSync(dataDir).map((name) => join(dataDir, name));
}

/** One that comes back finds all that waited for it. */
async function checkQueue(
	t: Test,
	{ port }: SpawnedBroker,
	key: number,
): Promise<void> {
	const client = await connectRaw({
		port,
		clientId: clientIdOf(key),
		clean: false,
	});
	const each = LARGE_STATE.queued / LARGE_STATE.sessions;
	await client.until(() => client.received >= each, "all that waited");
	t.ok(client.sessionPresent, "its session is there");
	client.socket.destroy();
}
