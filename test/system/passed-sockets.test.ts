/** The real process with sockets that somebody else has opened, as systemd does. About 10 s. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt from "mqtt";
import t, { type Test } from "tap";
import {
	type OpenSocket,
	openTcpSocket,
	openUnixSocket,
} from "../support/open-socket.ts";
import { connectRaw, RawClient } from "../support/raw-client.ts";
import { endWithProcess } from "../support/spawn-broker.ts";
import { sources } from "./run-broker.ts";
import { until } from "./waiting.ts";

interface Started {
	readonly child: ChildProcess;
	stderr(): string;
	ready(): Promise<void>;
}

/** @param named sockets by the names that systemd would give them */
function start(
	t: Test,
	named: readonly (readonly [string, OpenSocket])[],
	sets: readonly string[],
): Started {
	const program = ["node", sources, ...sets.flatMap((set) => ["--set", set])];
	const names = named.map(([name]) => name).join(":");
	const script = `export LISTEN_PID=$$ LISTEN_FDS=${named.length} LISTEN_FDNAMES=${names}; exec "$@"`;
	const child = spawn("sh", ["-c", script, "sh", ...program], {
		env: { PATH: process.env.PATH ?? "" },
		stdio: [
			...(["ignore", "ignore", "pipe"] as const),
			...named.map(([, { descriptor }]) => descriptor),
		],
	});
	endWithProcess(child);
	t.teardown(() => child.kill("SIGKILL"));
	let said = "";
	child.stderr?.setEncoding("utf8").on("data", (text: string) => {
		said += text;
	});
	return {
		child,
		stderr: () => said,
		ready: async () => {
			await until(
				() => / is ready/.test(said) || child.exitCode !== null,
				"the broker is ready",
			);
			if (child.exitCode !== null) throw new Error(said);
		},
	};
}

/** The path of a unix socket is short. */
function shortFolder(t: Test): string {
	const folder = mkdtempSync(join(tmpdir(), "broker-"));
	t.teardown(() => rmSync(folder, { recursive: true }));
	return folder;
}

t.test(
	"serves them instead of the addresses of the configuration",
	async (t) => {
		const folder = shortFolder(t);
		const path = join(folder, "mqtt.sock");
		const tcp = [openTcpSocket(t), openTcpSocket(t)] as const;
		const ws = openTcpSocket(t);
		const broker = start(
			t,
			[
				["listener.tcp.default", tcp[0]],
				["listener.ws.default", ws],
				["listener.tcp.default", tcp[1]],
				["listener.unix.local", openUnixSocket(t, path)],
			],
			[
				`data_dir=${join(folder, "data")}`,
				"listener.tcp.default=127.0.0.1:1",
				"listener.ws.default=127.0.0.1:2",
				`listener.unix.local=${path}`,
			],
		);
		await broker.ready();
		t.match(broker.stderr(), `mqtt://127.0.0.1:${tcp[1].port} (tcp:default)`);
		for (const { port } of tcp) {
			const client = await connectRaw({ port, clientId: "c" });
			await client.publish("topic", "m", 1);
			await client.disconnect();
		}
		const web = await mqtt.connectAsync(`ws://127.0.0.1:${ws.port}/mqtt`);
		await web.endAsync();
		const local = connect(path);
		await once(local, "connect");
		local.write(Buffer.from("100c00044d5154540402003c0000", "hex"));
		const [connack] = (await once(local, "data")) as [Buffer];
		t.equal(connack.toString("hex"), "20020000");
		local.destroy();
		broker.child.kill("SIGTERM");
		t.strictSame(await once(broker.child, "exit"), [0, null]);
	},
);

t.test("who connects while no broker runs is served by the next", async (t) => {
	const socket = openTcpSocket(t);
	const sets = [`data_dir=${join(t.testdir(), "data")}`];
	const named = [["listener.tcp.default", socket]] as const;
	const first = start(t, named, sets);
	await first.ready();
	first.child.kill("SIGTERM");
	await once(first.child, "exit");
	const early = new RawClient({ port: socket.port });
	await until(() => !early.socket.connecting, "the system has taken it");
	const second = start(t, named, sets);
	await early.connect({ clientId: "early" });
	await early.publish("topic", "m", 1);
	await early.disconnect();
	second.child.kill("SIGTERM");
});

t.test(
	"one that is no listener's, or of another kind, is told of",
	async (t) => {
		const folder = shortFolder(t);
		const sets = [
			`data_dir=${join(folder, "data")}`,
			"listener.ws.default=off",
		];
		const path = join(folder, "mqtt.sock");
		const nameless = start(
			t,
			[["broker.socket", openTcpSocket(t)]],
			[...sets, "listener.tcp.default=127.0.0.1:0"],
		);
		t.strictSame(await once(nameless.child, "close"), [1, null]);
		t.match(
			nameless.stderr(),
			/socket with the name broker\.socket.*FileDescriptorName=KEY.*listener\.tcp\.default/,
		);
		const other = start(
			t,
			[["listener.tcp.default", openUnixSocket(t, path)]],
			sets,
		);
		t.strictSame(await once(other.child, "close"), [1, null]);
		t.match(
			other.stderr(),
			/listener\.tcp\.default cannot use the socket.*no TCP socket.*ListenStream=/,
		);
		t.notMatch(other.stderr(), /^\s+at /m, "no stack");
	},
);
