/**
 * The real process always starts, whatever it finds in its folder: with what can be saved.
 * It refuses only what a newer broker wrote, or another one uses. About 15 s.
 */
import { cpSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import t from "tap";
import { connectRaw } from "../support/raw-client.ts";
import { allFiles, hasState, leaveState } from "./left-state.ts";
import { runBroker, startByHand } from "./run-broker.ts";
import { place } from "./start-scenarios.ts";

t.test("files that are empty, cut off, or of another program", async (t) => {
	const folder = t.testdir();
	const state = join(folder, "state");
	await leaveState(t, state);
	const cases: Record<string, (dataDir: string) => void> = {
		"empty file": (dataDir) => truncateSync(join(dataDir, "broker.db"), 0),
		"cut file": (dataDir) => truncateSync(join(dataDir, "broker.db"), 5000),
		"cut log": (dataDir) => {
			const log = join(dataDir, "broker.db-wal");
			truncateSync(log, statSync(log).size - 2000);
		},
		"no log": (dataDir) => truncateSync(join(dataDir, "broker.db-wal"), 0),
		"foreign file": (dataDir) =>
			writeFileSync(join(dataDir, "broker.db"), "not a database ".repeat(999)),
	};
	for (const [name, damage] of Object.entries(cases)) {
		const dataDir = join(folder, name.replace(" ", "-"));
		cpSync(state, dataDir, {
			recursive: true,
			filter: (path) => !path.endsWith(".sock"),
		});
		damage(dataDir);
		const broker = startByHand(t, place(dataDir));
		const port = await broker.ready();
		const client = await connectRaw({ port, clientId: "c" });
		await client.publish("kept", "new", 1, true);
		t.notMatch(broker.stderr, /safe mode/i, name);
		broker.child.kill("SIGTERM");
		t.equal((await broker.ended()).code, 0, name);
	}
});

t.test(
	"what a newer broker wrote is refused, and --reset-state begins anew",
	async (t) => {
		const dataDir = join(t.testdir(), "data");
		await leaveState(t, dataDir);
		const database = new Sqlite(join(dataDir, "broker.db"));
		database.pragma("user_version = 9");
		database.close();
		const before = allFiles(dataDir);
		const refused = await runBroker(t, place(dataDir));
		t.equal(refused.code, 1);
		t.match(refused.stderr, /newer version of the broker.*--reset-state/);
		t.notMatch(refused.stderr, /safe mode/i);
		t.strictSame(allFiles(dataDir), before, "and is left alone");
		const broker = startByHand(t, ["--reset-state", ...place(dataDir)]);
		t.notOk(await hasState(await broker.ready()));
		t.match(broker.stderr, /the state was reset as asked for/);
	},
);
