/** A real process: how it starts, what it says, how it ends. */
import t from "tap";
import { connectRaw } from "../support/raw-client.ts";
import { spawnBroker } from "../support/spawn-broker.ts";
import { runBroker } from "./run-broker.ts";
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
