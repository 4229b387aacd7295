/** Commands that talk to the running broker, as processes of their own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import t from "tap";
import { connectRaw } from "../support/raw-client.ts";
import { spawnBroker } from "../support/spawn-broker.ts";
import { command } from "./admin-commands.ts";
import { changeConfig } from "./config-file.ts";
import { runBroker } from "./run-broker.ts";

const NOBODY = 65_534;
const UNAVAILABLE = 69;

t.test("status, ping and sessions of a running broker", async (t) => {
	const broker = await spawnBroker(t);
	const { port, pid } = broker;
	const ping = await command(t, broker, ["ping"]);
	t.match(ping, { code: 0, stderr: "" });
	t.match(ping.stdout, `(pid ${pid})`);

	const away = await connectRaw({ port, clientId: "away", clean: false });
	await away.subscribe("to/away", 1);
	await away.disconnect();
	const here = await connectRaw({ port, clientId: "here" });
	await here.publish("to/away", "0123456789", 1);

	const status = await command(t, broker, ["status"]);
	t.equal(status.code, 0, status.stderr);
	t.match(status.stdout, /clients +1 connected, 2 sessions, 1 subscription\n/);
	t.match(status.stdout, /queued +1 message, 17 B\n/);
	t.match(status.stdout, `127.0.0.1:${port} (tcp:default), 1 connection`);
	t.match(status.stdout, /broker\.db, [\d.]+ KB/);
	const figures = JSON.parse(
		(await command(t, broker, ["status", "--json"])).stdout,
	);
	t.match(figures, { pid, sessions: 2, counters: { queuedMessages: 1 } });

	const list = await command(t, broker, ["session", "list", "--limit", "1"]);
	t.match(list.stdout, /17 B +1 +1 +away since .* UTC +30 d +away\n/);
	t.match(list.stdout, "1 of 2 sessions; go on with: --after '17:away'");
	const rest = await command(t, broker, [
		...["session", "list", "--after", "17:away"],
	]);
	t.match(rest.stdout, /connected 127\.0\.0\.1:\d+ +with its connection +here/);

	const gone = await command(t, broker, ["session", "rm", "away"]);
	t.match(gone, { code: 0, stdout: "the session of away is gone\n" });
	const again = await command(t, broker, ["session", "rm", "away"]);
	t.match(again, { code: 1, stderr: /no session of a client "away"/ });
	await broker.kill("SIGKILL");
	await broker.restart();
	const back = await connectRaw({
		port: broker.port,
		clientId: "away",
		clean: false,
	});
	t.equal(back.sessionPresent, false, "a removed session does not come back");
});

t.test("reload says what has become of it", async (t) => {
	const broker = await spawnBroker(t);
	const reload = () => command(t, broker, ["reload"]);
	t.match(await reload(), { code: 0, stdout: "nothing has changed\n" });

	changeConfig(broker, {
		max_qos: "1",
		"log.format": "json",
		"listener.tcp.more": "127.0.0.1:0",
	});
	t.same(await reload(), {
		code: 0,
		stdout:
			"changed: max_qos\nlistening: tcp:more\nneeds a restart: log.format\n",
		stderr: "",
	});

	changeConfig(broker, { max_qos: "9", no_such_key: "1" });
	const mistaken = await reload();
	t.equal(mistaken.code, 1);
	t.match(mistaken.stdout, /broker\.conf:\d+: max_qos = 9: must be/);
	t.match(mistaken.stdout, /broker\.conf:\d+: no_such_key/);
	t.match(mistaken.stdout, "nothing was changed");
	const ping = await command(t, broker, ["ping"]);
	t.equal(ping.code, 0, "the broker is found although its file has mistakes");

	changeConfig(broker, {
		max_qos: "1",
		no_such_key: null,
		"listener.tcp.more": null,
		"listener.tcp.taken": `127.0.0.1:${broker.port}`,
	});
	const taken = await reload();
	t.equal(taken.code, 1);
	t.match(taken.stdout, "no longer listening: tcp:more");
	t.match(taken.stdout, /failed: port \d+ .* is already in use/);
});

t.test("without a broker a command says where it looked", async (t) => {
	const broker = await spawnBroker(t);
	const socket = join(broker.dataDir, "admin.sock");
	await broker.kill("SIGKILL");
	t.ok(existsSync(socket), "a kill leaves the file");
	for (const args of [["ping"], ["status"], ["reload"], ["session", "list"]]) {
		const ended = await command(t, broker, args);
		t.equal(ended.code, UNAVAILABLE);
		t.match(ended.stderr, `${socket} (left behind by a broker that is gone)`);
		t.match(ended.stderr, /-c FILE.*--socket PATH/);
		t.equal(ended.stderr.trim().split("\n").length, 1, "one line");
	}
	await broker.restart();
	t.equal((await command(t, broker, ["ping"])).code, 0, "it was replaced");
	const folder = dirname(broker.dataDir);
	const other = await runBroker(t, ["--set", `data_dir=${folder}`, "ping"]);
	t.match(other, { code: UNAVAILABLE, stderr: `${folder}/admin.sock` });
	const told = await runBroker(t, ["--socket", socket, "ping"], {
		cwd: folder,
	});
	t.equal(told.code, 0);
	await broker.stop();
	t.notOk(existsSync(socket), "a stop removes it");
	const off = ["--set", "admin.socket=off", "ping"];
	t.match(await command(t, broker, off), {
		code: UNAVAILABLE,
		stderr: /admin.socket is off/,
	});
});

t.test(
	"the environment says where the socket is, as for the broker",
	async (t) => {
		const broker = await spawnBroker(t);
		const env = { BROKER_DATA_DIR: broker.dataDir };
		t.match(await runBroker(t, ["ping"], { env }), { code: 0 });
		const socket = { BROKER_ADMIN__SOCKET: `${broker.dataDir}/admin.sock` };
		t.match(await runBroker(t, ["ping"], { env: socket }), { code: 0 });
	},
);

t.test("a broker that hangs does not hang the command", async (t) => {
	const broker = await spawnBroker(t);
	const program = spawn(
		process.execPath,
		[
			"-e",
			`require("node:net").createServer(() => {}).listen(${JSON.stringify(`${broker.dataDir}/hang.sock`)}, () => console.log("up"))`,
		],
		{ stdio: ["ignore", "pipe", "ignore"] },
	);
	t.teardown(() => program.kill("SIGKILL"));
	await once(program.stdout, "data");
	const ended = await command(t, broker, [
		...["--socket", `${broker.dataDir}/hang.sock`, "ping"],
	]);
	t.equal(ended.code, UNAVAILABLE);
	t.match(ended.stderr, /does not answer within \d+ s/);
});

t.test("other users may not open the socket", async (t) => {
	if (process.getuid?.() !== 0) throw new Error("this test needs root");
	const broker = await spawnBroker(t);
	const socket = join(broker.dataDir, "admin.sock");
	t.equal(statSync(socket).mode & 0o777, 0o660);
	// The folders would stop them too.
	chmodSync(dirname(broker.dataDir), 0o755);
	chmodSync(broker.dataDir, 0o755);
	const ended = await command(t, broker, ["ping"], { uid: NOBODY });
	t.equal(ended.code, UNAVAILABLE);
	t.match(ended.stderr, `${socket} (not for this user`);
});

t.test("under systemd it is in the runtime directory", async (t) => {
	const folder = await mkdtemp(join(tmpdir(), "broker-run-"));
	t.teardown(() => rm(folder, { recursive: true, force: true }));
	const broker = await spawnBroker(t, { env: { RUNTIME_DIRECTORY: folder } });
	t.ok(statSync(join(folder, "admin.sock")).isSocket());
	t.notOk(existsSync(join(broker.dataDir, "admin.sock")));
	const env = { RUNTIME_DIRECTORY: folder };
	t.match(await command(t, broker, ["ping"], { env }), { code: 0 });
});
