/**
 * The real process always starts, whatever folder it is given: where it cannot write, in
 * safe mode, which says why and how to leave it. About 25 s.
 */
import { execFileSync } from "node:child_process";
import {
	chmodSync,
	chownSync,
	mkdirSync,
	mkdtempSync,
	readFileSync,
	rmdirSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { connectRaw } from "../support/raw-client.ts";
import { allFiles, hasState, leaveState } from "./left-state.ts";
import { type HandStarted, startByHand } from "./run-broker.ts";
import { place } from "./start-scenarios.ts";
import { until } from "./waiting.ts";

const NOBODY = 65_534;
const MB = 1024 * 1024;
const sys = ["--set", "systree_interval=1000"];

if (process.getuid?.() !== 0)
	throw new Error("these tests need root: they mount small disks of their own");

/** A small disk in memory. */
function disk(t: Test, options: string): string {
	const folder = mkdtempSync(join(tmpdir(), "starts-"));
	chmodSync(folder, 0o755);
	execFileSync("mount", ["-t", "tmpfs", "-o", options, "test", folder]);
	t.teardown(() => {
		execFileSync("umount", ["-l", folder]);
		rmdirSync(folder);
	});
	return folder;
}

function remount(folder: string, options: string): void {
	execFileSync("mount", ["-o", `remount,${options}`, folder]);
}

function fill(folder: string): void {
	try {
		writeFileSync(join(folder, "other"), Buffer.alloc(64 * MB));
	} catch {
		// As much as there was room for.
	}
}

function databaseOf(dataDir: string): Record<string, string> {
	const all = Object.entries(allFiles(dataDir));
	return Object.fromEntries(
		all.filter(([name]) => name.startsWith("broker.db")),
	);
}

/** It serves clients, says in every place that it is in safe mode, and stops in order. */
async function isSafe(
	t: Test,
	broker: HandStarted,
	words: RegExp,
): Promise<void> {
	const port = await broker.ready();
	t.match(broker.stderr, /error store safe mode: .*does not survive a restart/);
	t.match(broker.stderr, words, "why, and what to do");
	t.match(broker.stderr, /SAFE MODE: nothing is kept/);
	t.notMatch(broker.stderr, /^\s+at /m, "no stack");
	const watcher = await connectRaw({ port, clientId: "watcher" });
	await watcher.subscribe("$SYS/broker/alarm", 0);
	await watcher.subscribe("b", 1);
	const client = await connectRaw({
		port,
		version: 5,
		clientId: "keeper",
		clean: false,
		sessionExpirySeconds: 3600,
	});
	t.equal(client.sessionPresent, false);
	await client.publish("b", "served", 2, true);
	await watcher.until(() => watcher.received >= 2, "the alarm");
	const alarm = watcher.messages.find(({ topic }) => topic.startsWith("$SYS"));
	t.match(alarm?.payload.toString(), /^safe mode: /);
	broker.child.kill("SIGTERM");
	t.equal((await broker.ended()).code, 0, broker.stderr.slice(-1500));
}

t.test("a folder on a disk that is read-only", async (t) => {
	const folder = disk(t, "size=64M");
	const dataDir = join(folder, "data");
	await leaveState(t, dataDir);
	const before = databaseOf(dataDir);
	remount(folder, "ro");
	const broker = startByHand(t, [...place(dataDir), ...sys]);
	await isSafe(t, broker, new RegExp(`mount -o remount,rw ${folder}\\b`));
	t.strictSame(databaseOf(dataDir), before);
	remount(folder, "rw");
	const next = startByHand(t, place(dataDir));
	t.ok(await hasState(await next.ready()), "the state is back");
});

t.test("a folder that belongs to another user", async (t) => {
	const dataDir = join(disk(t, "size=64M,mode=755"), "data");
	await leaveState(t, dataDir);
	const before = databaseOf(dataDir);
	const asNobody = { uid: NOBODY, cwd: "/" };
	for (const mode of [0o750, 0o755]) {
		chmodSync(dataDir, mode);
		const broker = startByHand(t, [...place(dataDir), ...sys], asNobody);
		await isSafe(t, broker, new RegExp(`chown -R nobody: ${dataDir}`));
	}
	t.strictSame(databaseOf(dataDir), before);
	// As after a start as root by mistake: the folder is right, its files are not.
	chownSync(dataDir, NOBODY, NOBODY);
	const files = startByHand(t, [...place(dataDir), ...sys], asNobody);
	await isSafe(t, files, new RegExp(`chown -R nobody: ${dataDir}`));
	execFileSync("chown", ["-R", "nobody:", dataDir]);
	const next = startByHand(t, place(dataDir), asNobody);
	t.ok(await hasState(await next.ready()), "the command mends it");
});

t.test("a folder that is a file, and one that cannot be made", async (t) => {
	const folder = t.testdir({ "a-file": "precious" });
	const file = join(folder, "a-file");
	const broker = startByHand(t, [...place(file), ...sys]);
	await isSafe(t, broker, new RegExp(`${file} is not a folder: move it away`));
	t.equal(readFileSync(file, "utf8"), "precious");
	const parent = join(disk(t, "size=1M,mode=755"), "parent");
	mkdirSync(parent, { mode: 0o755 });
	const dataDir = join(parent, "data");
	const asNobody = { uid: NOBODY, cwd: "/" };
	const other = startByHand(t, [...place(dataDir), ...sys], asNobody);
	await isSafe(t, other, new RegExp(`mkdir -p ${dataDir} && chown -R nobody:`));
});

t.test("a full disk, without state", async (t) => {
	const folder = disk(t, "size=8M");
	fill(folder);
	const broker = startByHand(t, [...place(join(folder, "data")), ...sys]);
	await isSafe(t, broker, /its disk is full: free space there \(df -h/);
});

t.test("a full disk, with state: the state is served", async (t) => {
	const folder = disk(t, "size=16M");
	const dataDir = join(folder, "data");
	await leaveState(t, dataDir);
	fill(folder);
	const broker = startByHand(t, [
		...place(dataDir),
		...["--set", "store.degraded_wait=0"],
	]);
	const port = await broker.ready();
	t.notMatch(broker.stderr, /safe mode/i);
	const reader = await connectRaw({ port, clientId: "reader" });
	await reader.subscribe("kept", 0);
	await reader.until(() => reader.received > 0, "the retained message");
	execFileSync("rm", [join(folder, "other")]);
	await until(
		() =>
			!/cannot be written/.test(broker.stderr) ||
			/can be written again/.test(broker.stderr),
		"the disk is well again",
	);
	t.ok(await hasState(port));
});
