/** A real process: how it starts, what it says, how it ends. */
import { existsSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import t from "tap";
import { connectRaw } from "../support/raw-client.ts";
import { freePort, spawnBroker } from "../support/spawn-broker.ts";
import { runBroker, startByHand } from "./run-broker.ts";
import { runStartScenarios, STOP_MS } from "./start-scenarios.ts";
import { until } from "./waiting.ts";

/** Clients that do not take their goodbye are waited for this much longer. */
const STUBBORN_MS = 500;

runStartScenarios(t, { cwd: "/" });

t.test(
	"SIGTERM ends it in time while one client never reads and another one floods",
	async (t) => {
		const broker = await spawnBroker(t);
		const { port } = broker;
		const silent = await connectRaw({ port, clientId: "never-reads" });
		await silent.subscribe("flood", 0);
		silent.pause();
		const publisher = await connectRaw({ port, clientId: "floods" });
		const payload = Buffer.alloc(64 * 1024);
		const flood = async () => {
			while (!publisher.isClosed) await publisher.publish("flood", payload);
		};
		const flooding = flood();
		await until(
			() => publisher.socket.bytesWritten > 30_000_000,
			"thirty megabytes were sent",
		);
		const startMs = performance.now();
		t.equal(await broker.stop(), 0);
		t.ok(performance.now() - startMs < STOP_MS + STUBBORN_MS);
		silent.resume();
		await Promise.all([flooding, silent.closed(), publisher.closed()]);
	},
);

t.test(
	"SIGTERM while it starts ends it in order, and is no crash",
	async (t) => {
		const folder = t.testdir();
		const port = await freePort();
		const broker = startByHand(t, [
			...["--set", `data_dir=${folder}/data`],
			...["--set", `listener.tcp.default=127.0.0.1:${port}`],
		]);
		// The port is open before the state is: clients wait there.
		await until(() => accepts(port), "the port is open");
		broker.child.kill("SIGTERM");
		const { code, stderr } = await broker.ended();
		t.equal(code, 0, stderr);
		t.match(stderr, /stopped/);
		const starts = join(folder, "data/starts.json");
		t.notMatch(existsSync(starts) ? readFileSync(starts, "utf8") : "", /"pid"/);
	},
);

function accepts(port: number): Promise<boolean> {
	const socket = connect(port, "127.0.0.1");
	return new Promise((resolve) => {
		socket.once("connect", () => resolve(true));
		socket.once("error", () => resolve(false));
	}).finally(() => socket.destroy()) as Promise<boolean>;
}

t.test("arguments that make no sense are explained", async (t) => {
	const ended = await runBroker(t, ["--prot", "1883"]);
	t.equal(ended.code, 2);
	t.match(ended.stderr, /there is no option --prot/);
	t.match(ended.stderr, /broker --help/);
});

t.test("--version names the broker and what it runs on", async (t) => {
	const ended = await runBroker(t, ["--version"]);
	t.equal(ended.code, 0);
	t.match(ended.stdout, /^broker \d+\.\d+\.\d+/);
});
