/**
 * Clients of another machine, played by network namespaces: without a configuration they
 * are refused, and one line in the log says what to change. Needs root, as the suite has.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import t from "tap";
import { connectBytes, type Version } from "../support/raw-client.ts";
import { type SpawnedBroker, spawnBroker } from "../support/spawn-broker.ts";
import { changeConfig, portOf, reload } from "./config-file.ts";
import { linesWith } from "./waiting.ts";

const run = promisify(execFile);

/** Addresses for documentation (RFC 5737), in namespaces that are connected to nothing else. */
const ourAddress = "203.0.113.1";
const theirAddress = "203.0.113.2";
const ours = `broker-test-${process.pid}-a`;
const theirs = `broker-test-${process.pid}-b`;

/** A broker in the first namespace that listens towards the second. */
const reachable = {
	config: { "listener.tcp.outside": `${ourAddress}:0` },
	prefix: ["ip", "netns", "exec", ours],
};

/** Sends bytes (in hex) and prints the first answer in hex; it runs in the second namespace. */
const clientProgram = `
	const [port, host, hex] = process.argv.slice(1);
	const socket = require("node:net").connect(Number(port), host, () => socket.write(Buffer.from(hex, "hex")));
	socket.setTimeout(5000, () => socket.destroy(new Error("no answer")));
	socket.once("data", (data) => { process.stdout.write(data.toString("hex")); socket.destroy(); });
	socket.once("error", (error) => { process.stderr.write(error.message); process.exitCode = 1; });
`;

t.before(async () => {
	try {
		await ip("netns", "add", ours);
		await ip("netns", "add", theirs);
		const ends = ["veth0", "type", "veth", "peer", "name", "veth0"];
		await ip("-n", ours, "link", "add", ...ends, "netns", theirs);
		for (const [namespace, address] of [
			[ours, ourAddress],
			[theirs, theirAddress],
		] as const) {
			const there = ["-n", namespace];
			await ip(...there, "addr", "add", `${address}/30`, "dev", "veth0");
			await ip(...there, "link", "set", "veth0", "up");
			await ip(...there, "link", "set", "lo", "up");
		}
	} catch (cause) {
		const words =
			"this test makes network namespaces and needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN) and the program ip (package iproute2)";
		throw new Error(words, { cause });
	}
});

t.teardown(async () => {
	// The link between them goes with them, whichever step of the set-up came last.
	for (const namespace of [ours, theirs]) {
		await ip("netns", "del", namespace).catch(() => {});
	}
});

t.test(
	"anonymous clients of other machines are refused, with one line that says what to change",
	async (t) => {
		const broker = await spawnBroker(t, reachable);
		t.match(
			await connack(broker, 5, "far-5"),
			/^20..0087/,
			"v5: Not authorized",
		);
		t.equal(await connack(broker, 4, "far-4"), "20020005", "v3.1.1: code 5");
		t.equal(await connack(broker, 4, "far-4"), "20020005");
		t.equal(await connack(broker, 4, "far-4"), "20020005");
		for (const clientId of ["far-5", "far-4"]) {
			const lines = linesWith(broker.stderr(), `client=${clientId}`);
			t.equal(lines.length, 1, `one line about ${clientId}`);
			const [line = ""] = lines;
			t.match(line, "refused");
			t.match(line, theirAddress, "from where");
			t.match(line, "tcp:outside", "at which listener");
			t.match(line, "set allow_anonymous = on", "what to change");
		}
	},
);

t.test("the change that the line names lets them in", async (t) => {
	const broker = await spawnBroker(t, reachable);
	t.equal(await connack(broker, 4, "before"), "20020005");
	changeConfig(broker, { allow_anonymous: "on" });
	t.match(await reload(broker), "allow_anonymous");
	t.equal(await connack(broker, 4, "after"), "20020000");
	changeConfig(broker, {
		allow_anonymous: null,
		"listener.tcp.outside.allow_anonymous": "on",
	});
	await reload(broker);
	t.equal(await connack(broker, 4, "own"), "20020000", "for one listener");
	changeConfig(broker, { "listener.tcp.outside.allow_anonymous": "off" });
	await reload(broker);
	t.equal(await connack(broker, 4, "closed"), "20020005");
});

async function connack(
	broker: SpawnedBroker,
	version: Version,
	clientId: string,
): Promise<string> {
	const port = String(await portOf(broker, "tcp:outside"));
	const hex = connectBytes({ clientId }, version).toString("hex");
	const client = [process.execPath, "-e", clientProgram, port, ourAddress, hex];
	const { stdout } = await run("ip", ["netns", "exec", theirs, ...client], {
		env: { PATH: process.env.PATH ?? "" },
		timeout: 10_000,
	});
	return stdout;
}

async function ip(...args: string[]): Promise<void> {
	await run("ip", args);
}
