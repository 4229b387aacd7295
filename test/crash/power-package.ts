/**
 * `npm run soak:power-package -- [--cuts N] [--seed N]`: cuts the power of a virtual machine
 * on which the package is installed and the unit starts the broker at each boot, a few times,
 * in the middle of a mixed load from outside. The disk loses what had not been flushed, every
 * other time only a random part of it. In the end the checker of the kill test accounts for
 * everything that was acknowledged. A cut takes as long as the machine takes to boot.
 */
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Random } from "../soak/random.ts";
import { check, type Finding } from "./check.ts";
import { readEvents } from "./events.ts";
import { complaints, Load } from "./kill.ts";
import { Machine } from "./machine.ts";

const projectFolder = resolve(import.meta.dirname, "../..");
const PORT = 1883;
/** Between two steps of a client: the machine is a slow one. */
const BUSY_MS = 50;
/** Messages that are acknowledged between a start and the next cut, at most. */
const MOST_MESSAGES = 300;
const MOST_MS = 500;
const DRAIN_MS = 240_000;

async function runCuts(cuts: number, seed: number): Promise<Finding> {
	const random = new Random(seed);
	const machine = new Machine();
	const events = join(machine.folder, "events.jsonl");
	try {
		await machine.boot(PORT);
		await machine.installPackages(makePackages(machine.folder), {
			"listener.tcp.default": `0.0.0.0:${PORT}`,
			allow_anonymous: "on",
			max_offline_messages: "unlimited",
			max_online_messages: "unlimited",
			max_queued_bytes: "unlimited",
			// Cuts soon after a start are the test's doing.
			"store.max_failed_starts": "0",
		});
		const port = await machine.portOf(PORT);
		const load = new Load([
			...["--port", `${port}`, "--log", events, "--seed", `${seed}`],
			...["--busy", `${BUSY_MS}`, "--drain", `${DRAIN_MS}`],
		]);
		for (let cut = 1; cut <= cuts; cut++) {
			await load.progress(1 + random.below(MOST_MESSAGES));
			await pause(random.below(MOST_MS));
			const how = cut % 2 === 0 ? `random:${seed + cut}` : "unflushed";
			await cutOnce(machine, load, how);
			console.log(`cut ${cut}, the disk lost: ${how}`);
		}
		load.order("finish");
		await load.until("finished", 4 * DRAIN_MS);
		await cutOnce(machine, load, "unflushed");
		load.order("epilogue");
		await load.until("done", 4 * DRAIN_MS);
		const finding = check(readEvents(events));
		finding.violations.push(...complaints(await machine.journal()));
		return finding;
	} finally {
		machine.destroy();
	}
}

async function cutOnce(
	machine: Machine,
	load: Load,
	how: string,
): Promise<void> {
	await machine.cutPower(how);
	load.order("killed");
	await machine.powerOn();
	await machine.served();
	load.order("started");
}

/** @returns the package of the sources as they are, and what it needs and small systems lack */
function makePackages(folder: string): string[] {
	execFileSync("apt-get", ["download", "-q", "libatomic1"], {
		cwd: folder,
		stdio: "pipe",
	});
	const options = ["--output", folder, "--level", "1", "--kinds", "deb"];
	execFileSync(
		process.execPath,
		["build.mjs", "package", process.arch, ...options],
		{ cwd: projectFolder, stdio: "pipe" },
	);
	return readdirSync(folder)
		.filter((each) => each.endsWith(".deb"))
		.map((name) => join(folder, name));
}

const { values } = parseArgs({
	options: {
		cuts: { type: "string", default: "5" },
		seed: { type: "string", default: String(Date.now() % 1_000_000) },
	},
});
const [cuts, seed] = [Number(values.cuts), Number(values.seed)];
console.log(`${cuts} power cuts, --seed ${seed}`);
const { violations, ...counts } = await runCuts(cuts, seed);
for (const violation of violations.slice(0, 50))
	console.log(`FAILED ${violation}`);
console.log(`${JSON.stringify(counts)}: ${violations.length} violations`);
process.exitCode = violations.length === 0 ? 0 : 1;
