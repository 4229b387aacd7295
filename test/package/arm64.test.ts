/**
 * The binary for 64-bit ARM, run by qemu's emulation of a processor: it starts and serves
 * clients. 30 s on a quiet machine.
 */
import { execFile, execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import mqtt from "mqtt";
import t, { type Test } from "tap";
import { type HandStarted, startByHand } from "../system/run-broker.ts";
import { place } from "../system/start-scenarios.ts";
import { until } from "../system/waiting.ts";
import { armLibraries } from "./machine-image.ts";

const execute = promisify(execFile);
const projectRoot = resolve(import.meta.dirname, "../..");
const QEMU = "/usr/bin/qemu-aarch64-static";
const START_MS = 120_000;

execFileSync(process.execPath, ["build.mjs", "build", "arm64"], {
	cwd: projectRoot,
	stdio: "ignore",
});
const binary = join(projectRoot, "dist/broker-linux-arm64");
const libraries = armLibraries();
const program = makeProgram();

/** A script that runs the binary, as if this machine could. */
function makeProgram(): string {
	if (process.arch === "arm64") return binary;
	const folder = mkdtempSync(join(tmpdir(), "broker-arm64-"));
	t.teardown(() => rmSync(folder, { recursive: true }));
	const path = join(folder, "broker");
	writeFileSync(
		path,
		// The processor of a Raspberry Pi 3, the oldest that will do.
		`#!/bin/sh\nexport QEMU_LD_PREFIX=${libraries} QEMU_CPU=cortex-a53\nexec ${QEMU} ${binary} "$@"\n`,
	);
	chmodSync(path, 0o755);
	return path;
}

async function start(t: Test, dataDir: string): Promise<Running> {
	const broker = startByHand(t, place(dataDir), {
		entry: program,
		cwd: tmpdir(),
	});
	await until(
		() => / is ready;/.test(broker.stderr) || broker.hasEnded,
		"the broker is ready",
		START_MS,
	);
	return { broker, port: await broker.ready() };
}

interface Running {
	readonly broker: HandStarted;
	readonly port: number;
}

async function stop({ broker }: Running): Promise<void> {
	broker.child.kill("SIGTERM");
	t.equal((await broker.ended(START_MS)).code, 0, broker.stderr);
}

t.test("tells what it is", async (t) => {
	const { stdout } = await execute(program, ["--version"]);
	t.match(stdout, /^broker .*linux-arm64/);
});

t.test(
	"serves clients, and what it keeps is there after a restart",
	async (t) => {
		// The path of the admin socket in it has to be short.
		const dataDir = mkdtempSync(join(tmpdir(), "broker-"));
		t.teardown(() => rmSync(dataDir, { recursive: true }));
		const first = await start(t, dataDir);
		t.notMatch(first.broker.stderr, "own limits");
		const keeper = await connect(first, "keeper", false);
		await keeper.subscribeAsync("house/#", { qos: 2 });
		const received: string[] = [];
		keeper.on("message", (topic, payload) =>
			received.push(`${topic} ${payload.toString()}`),
		);
		const publisher = await connect(first, "publisher", true);
		await publisher.publishAsync("house/door", "open", {
			qos: 2,
			retain: true,
		});
		await until(() => received.length === 1, "the message", START_MS);
		t.strictSame(received, ["house/door open"]);
		await keeper.endAsync();
		await publisher.publishAsync("house/light", "on", { qos: 2 });
		await publisher.endAsync();
		const { stdout } = await execute(program, [
			"status",
			...["--set", `data_dir=${dataDir}`],
		]);
		t.match(stdout, /queued +1 message/);
		t.match(stdout, /retained +1 message/);
		first.broker.child.kill("SIGKILL");
		await first.broker.ended(START_MS);

		const second = await start(t, dataDir);
		const again = mqtt.connect(`mqtt://127.0.0.1:${second.port}`, {
			...session("keeper", false),
		});
		const after: string[] = [];
		again.on("message", (topic, payload) =>
			after.push(`${topic} ${payload.toString()}`),
		);
		await until(() => after.length === 1, "the queued message", START_MS);
		t.strictSame(after, ["house/light on"]);
		await again.subscribeAsync("house/door", { qos: 1 });
		await until(() => after.length === 2, "the retained message", START_MS);
		t.equal(after[1], "house/door open");
		await again.endAsync();
		await stop(second);
	},
);

function connect({ port }: Running, clientId: string, clean: boolean) {
	return mqtt.connectAsync(
		`mqtt://127.0.0.1:${port}`,
		session(clientId, clean),
	);
}

function session(clientId: string, clean: boolean) {
	return { clientId, clean, connectTimeout: START_MS, reconnectPeriod: 0 };
}
