/**
 * The real process on a machine without a clock of its own: it boots in 1970, the network
 * sets the clock while it runs, and after the next boot it is wrong again. About 20 s.
 */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { connectRaw } from "../support/raw-client.ts";
import { type SpawnedBroker, spawnBroker } from "../support/spawn-broker.ts";
import { linesWith, until } from "./waiting.ts";

const library = [
	"/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
	"/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
].find((path) => existsSync(path));
const HOUR_S = 3600;
const keeper = {
	version: 5,
	clientId: "keeper",
	clean: false,
	sessionExpirySeconds: HOUR_S,
} as const;

/** The session is there, with the message that waits for it; another one waits then. */
async function isWhole({ port }: SpawnedBroker): Promise<boolean> {
	const client = await connectRaw({ ...keeper, port });
	if (client.sessionPresent)
		await client.until(() => client.received > 0, "the queued message");
	client.destroy();
	const publisher = await connectRaw({ port, clientId: "publisher" });
	await publisher.publish("queued", "m", 1);
	await publisher.disconnect();
	return client.sessionPresent;
}

t.test(
	"a clock that is set while the broker runs, and wrong after boots",
	async (t) => {
		if (library === undefined)
			throw new Error(
				"libfaketime is missing: sudo apt-get install faketime, or npm run setup:test",
			);
		const file = join(t.testdir(), "clock");
		const setClock = (words: string) => writeFileSync(file, words);
		setClock("@1970-01-01 00:01:00");
		const broker = await spawnBroker(t, {
			env: {
				LD_PRELOAD: library,
				FAKETIME_TIMESTAMP_FILE: file,
				FAKETIME_NO_CACHE: "1",
				FAKETIME_DONT_FAKE_MONOTONIC: "1",
				TZ: "UTC",
			},
		});
		t.match(broker.stderr(), /^1970-01-01T00:0\d:\d\d/m, "it believes so");
		const first = await connectRaw({ ...keeper, port: broker.port });
		await first.subscribe("queued", 1);
		first.destroy();
		const publisher = await connectRaw({ port: broker.port, clientId: "p" });
		await publisher.publish("queued", "m", 1);
		await publisher.disconnect();

		setClock("+0");
		await until(
			() => broker.stderr().includes("the clock was set forward"),
			"the broker has noticed",
			20_000,
		);
		t.ok(await isWhole(broker), "while it runs");
		await broker.kill("SIGKILL");
		await broker.restart();
		t.ok(await isWhole(broker), "after a kill");
		for (const clock of ["@1970-01-01 00:01:00", "-30y", "+30y", "+0"]) {
			await broker.stop();
			setClock(clock);
			await broker.restart();
			t.ok(await isWhole(broker), `after a boot with the clock at ${clock}`);
		}
		t.equal(linesWith(broker.stderr(), "the clock is wrong, or was").length, 4);
	},
);
