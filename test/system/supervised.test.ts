/** A real process that tells systemd how it does; a few lines of Python stand in for systemd. */
import { readFileSync } from "node:fs";
import t from "tap";
import { receiveNotifications } from "../support/notify-receiver.ts";
import { connectRaw } from "../support/raw-client.ts";
import { startByHand } from "./run-broker.ts";
import { place } from "./start-scenarios.ts";
import { until } from "./waiting.ts";

/** A status follows within 5 s. */
const STATUS_MS = 15_000;

t.test(
	"READY comes when clients are served, and from the main process",
	async (t) => {
		const systemd = await receiveNotifications(t);
		const env = { NOTIFY_SOCKET: systemd.name };
		const broker = startByHand(t, place(t.testdir()), { env });
		await until(() => systemd.count("READY=1") > 0, "READY", 20_000);
		const before = systemd.received.map(({ line }) => line);
		t.match(before[0], /^STATUS=opening the database/);
		t.ok(
			systemd.received.every(({ pid }) => pid === broker.pid),
			"though it began again as itself",
		);
		t.match(
			readFileSync(`/proc/${broker.pid}/cmdline`, "latin1"),
			"src/main.ts",
		);
		t.match(broker.stderr, "is ready", "the log has said so before");
		const port = await broker.ready();
		const client = await connectRaw({ port, clientId: "first" });
		await client.publish("kept", "value", 1, true);
		await until(
			() => systemd.count("STATUS=1 client, ") > 0,
			"the client in the status",
			STATUS_MS,
		);
		t.equal(systemd.count("READY=1"), 1);
		broker.child.kill("SIGTERM");
		t.equal((await broker.ended()).code, 0);
		await until(() => systemd.count("STOPPING=1") === 1, "STOPPING");
		const last = systemd.received.slice(-4).map(({ line }) => line);
		t.equal(last[0], "STOPPING=1");
		t.match(last[1], /^STATUS=stopping: clients are told \(1\)/);
		t.match(last[2], /^EXTEND_TIMEOUT_USEC=\d+$/);
		t.notMatch(broker.stderr, /Warning/, "no experiment is warned of");
	},
);

t.test("a start that fails never says READY", async (t) => {
	const systemd = await receiveNotifications(t);
	const env = { NOTIFY_SOCKET: systemd.name };
	const dataDir = t.testdir();
	await startByHand(t, place(dataDir)).ready();
	const second = startByHand(t, place(dataDir), { env });
	const { code, stderr } = await second.ended();
	t.match(stderr, /another broker uses/);
	t.ok(code);
	t.equal(systemd.count("READY=1"), 0);
});
