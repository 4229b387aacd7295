/** How a broker starts and ends, for the sources and for the bundle alike. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import type { Test } from "tap";
import { connectRaw } from "../support/raw-client.ts";
import type { RunOptions } from "./run-broker.ts";
import { startByHand } from "./run-broker.ts";

/** How long a stop may take, in milliseconds. */
export const STOP_MS = 2000;

const NOBODY = 65_534;

/** Arguments for a free port and a data folder. */
export function place(dataDir: string, port = 0): string[] {
	return [
		...["--set", `listener.tcp.default=127.0.0.1:${port}`],
		...["--set", `data_dir=${dataDir}`],
	];
}

/** @param options which program runs, and where */
export function runStartScenarios(t: Test, options: RunOptions): void {
	t.test(
		"starts on an empty folder and says what it listens on, where its data is and how to stop it",
		async (t) => {
			const data = join(t.testdir(), "new", "data");
			const ws = ["--set", "listener.ws.default=127.0.0.1:0"];
			const broker = startByHand(t, [...place(data), ...ws], options);
			const port = await broker.ready();
			t.match(broker.stderr, `listening on mqtt://127.0.0.1:${port}`);
			t.match(broker.stderr, /listening on ws:\/\/127\.0\.0\.1:\d+\/mqtt/);
			t.match(broker.stderr, `data in ${data}`);
			t.match(broker.stderr, `stop it with Ctrl-C or kill ${broker.pid}`);
			t.ok(broker.stderr.split("\n").length <= 6, "a few lines, not more");
			t.equal(broker.stdout, "", "nothing goes to standard output");
			const client = await connectRaw({ port, clientId: "first" });
			await client.disconnect();
		},
	);

	t.test("data_dir is ./data when it is started by hand", async (t) => {
		const cwd = t.testdir();
		const args = ["--set", "listener.tcp.default=127.0.0.1:0"];
		const broker = startByHand(t, args, { ...options, cwd });
		await broker.ready();
		t.match(broker.stderr, `data in ${join(cwd, "data")}`);
		t.ok(readdirSync(join(cwd, "data")).length > 0);
	});

	for (const signal of ["SIGTERM", "SIGINT"] as const) {
		t.test(
			`${signal} ends it with exit code 0 within ${STOP_MS} ms, and its clients are told`,
			(t) => endsBySignal(t, options, signal),
		);
	}

	t.test("starts again on the data it left", (t) => startsAgain(t, options));

	t.test("a port in use names the process that holds it", async (t) => {
		const { server, port } = await holdPort(t, 0);
		const data = join(t.testdir(), "data");
		const ended = await startByHand(t, place(data, port), options).ended();
		server.close();
		const name = readFileSync("/proc/self/comm", "utf8").trim();
		t.match(ended.stderr, `port ${port} on 127.0.0.1 is already in use`);
		t.match(ended.stderr, `by ${name} (pid ${process.pid})`);
		t.match(ended.stderr, "listener.tcp.default", "and the key to change");
		t.ok(ended.code, "exits with an error");
		t.notOk(existsSync(data), "no data folder was made");
	});

	t.test("a port in use leaves existing data as it is", (t) =>
		leavesData(t, options),
	);

	t.test("a second broker on the same data_dir is refused", (t) =>
		refusesSecond(t, options),
	);

	t.test("a data_dir that cannot be written means safe mode, in words", (t) =>
		startsUnwritable(t, options),
	);
}

async function endsBySignal(
	t: Test,
	options: RunOptions,
	signal: NodeJS.Signals,
): Promise<void> {
	const broker = startByHand(t, place(t.testdir()), options);
	const port = await broker.ready();
	const modern = await connectRaw({ port, version: 5, clientId: "v5" });
	const older = await connectRaw({ port, version: 4, clientId: "v4" });
	const signalledMs = performance.now();
	broker.child.kill(signal);
	const [ended, disconnect] = await Promise.all([
		broker.ended(),
		modern.expect("disconnect"),
		modern.closed(),
		older.closed(),
	]);
	t.equal(disconnect.reasonCode, 0x8b, "Server shutting down");
	t.equal(ended.code, 0);
	t.ok(performance.now() - signalledMs < STOP_MS);
	await t.rejects(older.next(0), "3.1.1 has no DISCONNECT from the server");
}

async function startsAgain(t: Test, options: RunOptions): Promise<void> {
	const data = t.testdir();
	const first = startByHand(t, place(data), options);
	const writer = await connectRaw({
		port: await first.ready(),
		clientId: "writer",
	});
	await writer.publish("kept", "value", 1, true);
	first.child.kill("SIGTERM");
	t.equal((await first.ended()).code, 0);
	const second = startByHand(t, place(data), options);
	const reader = await connectRaw({
		port: await second.ready(),
		clientId: "reader",
	});
	await reader.subscribe("kept", 1);
	await reader.until(() => reader.received === 1, "the retained message");
	t.equal(reader.messages[0]?.payload.toString(), "value");
}

async function leavesData(t: Test, options: RunOptions): Promise<void> {
	const data = t.testdir();
	const crashing = startByHand(t, place(data), options);
	const client = await connectRaw({
		port: await crashing.ready(),
		version: 5,
		clientId: "kept",
		clean: false,
		sessionExpirySeconds: 3600,
		will: { topic: "kept/will", payload: "gone", qos: 1 },
	});
	await client.subscribe("kept/#", 1);
	await client.publish("kept/value", "1", 1, true);
	// After a crash the session looks connected: a start that fails must not end that.
	crashing.child.kill("SIGKILL");
	await crashing.ended();
	const { server, port } = await holdPort(t, 0);
	const before = contents(data);
	const ended = await startByHand(t, place(data, port), options).ended();
	server.close();
	t.ok(ended.code, "exits with an error");
	t.match(ended.stderr, /already in use/);
	t.strictSame(contents(data), before);
}

async function refusesSecond(t: Test, options: RunOptions): Promise<void> {
	const data = t.testdir();
	const broker = startByHand(t, place(data), options);
	const port = await broker.ready();
	const ended = await startByHand(t, place(data), options).ended();
	t.ok(ended.code, "exits with an error");
	t.match(ended.stderr, /another broker uses/);
	t.match(ended.stderr, data, "names the folder");
	t.match(ended.stderr, `process ${broker.pid}`, "names the other one");
	t.notMatch(ended.stderr, /safe mode/i);
	t.notMatch(ended.stderr, /^\s+at /m, "no stack");
	const client = await connectRaw({ port, clientId: "still" });
	await client.publish("kept", "value", 1, true);
	await client.disconnect();
}

async function startsUnwritable(t: Test, options: RunOptions): Promise<void> {
	const folder = t.testdir({ "a-file": "" });
	const locked = join(folder, "locked");
	mkdirSync(locked, { mode: 0o555 });
	// Root may write everywhere, so root's tests run the broker as somebody else.
	const user =
		process.getuid?.() === 0 ? { uid: NOBODY, cwd: "/" } : { cwd: folder };
	const data = [join(locked, "data"), locked, join(folder, "a-file", "data")];
	for (const dataDir of data) {
		const broker = startByHand(t, place(dataDir), { ...options, ...user });
		await broker.ready();
		broker.child.kill("SIGTERM");
		const ended = await broker.ended();
		t.equal(ended.code, 0);
		t.match(ended.stderr, /safe mode/);
		t.match(ended.stderr, dataDir, "names the folder");
		t.match(ended.stderr, /data_dir/, "names the key");
		t.match(ended.stderr, /writ|permission/i, "says what is wrong");
		t.notMatch(ended.stderr, /^\s+at /m, "no stack");
	}
}

async function holdPort(
	t: Test,
	wanted: number,
): Promise<{ server: Server; port: number }> {
	const server = createServer().listen(wanted, "127.0.0.1");
	t.teardown(() => server.close());
	await once(server, "listening");
	const address = server.address();
	if (address === null || typeof address === "string") {
		throw new Error("no port");
	}
	return { server, port: address.port };
}

/** File names of a folder and what is in them; a socket that a kill has left is no file. */
function contents(folder: string): Record<string, string> {
	return Object.fromEntries(
		readdirSync(folder, { withFileTypes: true })
			.filter((entry) => entry.isFile())
			.map(({ name }) => name)
			.sort()
			.map((name) => {
				const bytes = readFileSync(join(folder, name));
				return [name, createHash("sha256").update(bytes).digest("hex")];
			}),
	);
}

/** What is true of the program under the name brokerctl. */
export async function offersCommandsOnly(
	t: Test,
	name: string,
	options: RunOptions,
): Promise<void> {
	const run = (...args: string[]) => startByHand(t, args, options).ended();
	const [alone, help, start, check, wrong] = await Promise.all([
		run(),
		run("--help"),
		run("run"),
		run("config", "check", "-c", "/dev/null"),
		run("stauts"),
	]);
	t.match(alone, { code: 0, stdout: /^Usage: brokerctl COMMAND/ }, name);
	t.same(alone, help);
	t.match(start, { code: 2, stderr: /no broker is started/ });
	t.match(check, { code: 0, stdout: /configuration is valid/ });
	t.match(wrong, { code: 2, stdout: "", stderr: /did you mean status\?/ });
}
