/**
 * The real process on a machine without network, but for the loopback interface: it
 * serves who is there, and those from outside once there is an outside. About 5 s.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import t from "tap";
import { connectBytes } from "../support/raw-client.ts";
import { spawnBroker } from "../support/spawn-broker.ts";
import { portOf } from "./config-file.ts";
import { linesWith } from "./waiting.ts";

const run = promisify(execFile);
const namespace = `broker-alone-${process.pid}`;
const address = "203.0.113.9";
const address6 = "2001:db8::9";

/** Connects, sends what it is given, and prints the answer. */
const clientProgram = `
	const [port, host, hex] = process.argv.slice(1);
	const socket = require("node:net").connect({ port, host });
	socket.on("connect", () => socket.write(Buffer.from(hex, "hex")));
	socket.once("data", (data) => { console.log(data.toString("hex")); socket.destroy(); });
	socket.on("error", (error) => console.log(error.code));
`;

const ip = (...args: string[]) => run("ip", args);

t.before(async () => {
	await ip("netns", "add", namespace);
	await ip("-n", namespace, "link", "set", "lo", "up");
});
t.teardown(() => ip("netns", "del", namespace));

t.test("comes up, and takes clients as addresses come", async (t) => {
	const broker = await spawnBroker(t, {
		prefix: ["ip", "netns", "exec", namespace],
		config: {
			"listener.tcp.late": `${address}:0, [${address6}]:0`,
			allow_anonymous: "on",
		},
	});
	t.equal(await connack("127.0.0.1", broker.port), "20020000");
	t.equal(linesWith(broker.stderr(), "does not have now").length, 2);
	const port = await portOf(broker, "tcp:late");
	t.match(await connack(address, port), /ENETUNREACH|EHOSTUNREACH/);
	await ip("-n", namespace, "addr", "add", `${address}/32`, "dev", "lo");
	t.equal(await connack(address, port), "20020000");
	await ip("-n", namespace, "addr", "add", `${address6}/128`, "dev", "lo");
	t.equal(await connack(address6, port), "20020000");
	await ip("-n", namespace, "addr", "del", `${address}/32`, "dev", "lo");
	t.equal(await connack("127.0.0.1", broker.port), "20020000");
	t.equal(await broker.stop(), 0);
});

t.test("without IPv6 too", async (t) => {
	const off = "sysctl -qw net.ipv6.conf.all.disable_ipv6=1";
	await run("ip", ["netns", "exec", namespace, ...off.split(" ")]);
	const broker = await spawnBroker(t, {
		prefix: ["ip", "netns", "exec", namespace],
		config: { "listener.tcp.default": "127.0.0.1:0, [::1]:0" },
	});
	t.equal(await connack("127.0.0.1", broker.port), "20020000");
	t.match(
		broker.stderr(),
		/tcp:default does not listen on \[::1\]:\d+: this machine has no such IPv6 address/,
	);
});

async function connack(host: string, port: number): Promise<string> {
	const hex = connectBytes({ clientId: "c" }, 4).toString("hex");
	const client = [process.execPath, "-e", clientProgram, `${port}`, host, hex];
	const { stdout } = await run("ip", ["netns", "exec", namespace, ...client], {
		env: { PATH: process.env.PATH ?? "" },
		timeout: 10_000,
	});
	return stdout.trim();
}
