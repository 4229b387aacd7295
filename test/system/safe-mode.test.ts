/** The real process after crashes at its start: it leaves the state alone, and takes it up again. About 15 s. */
import { join } from "node:path";
import t from "tap";
import { connectRaw } from "../support/raw-client.ts";
import { allFiles, hasState, leaveState } from "./left-state.ts";
import { startByHand } from "./run-broker.ts";
import { place } from "./start-scenarios.ts";

t.test(
	"after three crashes in a row it starts in safe mode, and a restart leaves that",
	async (t) => {
		const dataDir = join(t.testdir(), "data");
		await leaveState(t, dataDir);
		for (let crash = 2; crash <= 3; crash++) {
			const broker = startByHand(t, place(dataDir));
			await broker.ready();
			t.notMatch(broker.stderr, /safe mode/i);
			broker.child.kill("SIGKILL");
			await broker.ended();
		}
		const { "starts.json": _, ...before } = allFiles(dataDir);
		for (const isKilled of [true, false]) {
			const broker = startByHand(t, place(dataDir));
			const port = await broker.ready();
			t.match(
				broker.stderr,
				/safe mode: .*the last [34] starts ended by a crash/,
			);
			t.match(
				broker.stderr,
				/\d\d:\d\d\.\d{3}Z \(killed, or no reason known\)/,
			);
			t.match(
				broker.stderr,
				/was left alone.*restart the broker.*--reset-state/,
			);
			const client = await connectRaw({ port, clientId: "c" });
			await client.publish("kept", "in memory", 1, true);
			client.destroy();
			broker.child.kill(isKilled ? "SIGKILL" : "SIGTERM");
			await broker.ended();
			const { "starts.json": _, ...after } = allFiles(dataDir);
			t.strictSame(after, before, "the database was not touched");
		}
		const broker = startByHand(t, place(dataDir));
		t.ok(await hasState(await broker.ready()), "the state is back");
		t.notMatch(broker.stderr, /safe mode/i);
	},
);

t.test(
	"starts that are refused do not count, and 0 never means safe mode",
	async (t) => {
		const dataDir = join(t.testdir(), "data");
		const most = (count: number) => [
			...place(dataDir),
			...["--set", `store.max_failed_starts=${count}`],
		];
		const first = startByHand(t, most(2));
		await first.ready();
		const refused = await startByHand(t, most(2)).ended();
		t.equal(refused.code, 1);
		t.match(refused.stderr, /another broker uses/);
		first.child.kill("SIGKILL");
		await first.ended();
		for (const count of [2, 0]) {
			const broker = startByHand(t, most(count));
			await broker.ready();
			t.notMatch(broker.stderr, /safe mode/i);
			broker.child.kill("SIGKILL");
			await broker.ended();
		}
	},
);
