/**
 * `npm run soak:kill -- [--kills N] [--seed N] [--keep]`: kills the real process again and
 * again under a mixed load, and has a checker account for every message, session, will and
 * retained value. Three processes: the broker, the load (load.ts) and this one, which kills
 * at random and reads the load's log of events when all is over (check.ts).
 *
 * The same seed makes the same choices; the moments of the kills of course differ.
 */
import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Random } from "../soak/random.ts";
import {
	endWithProcess,
	type SpawnedBroker,
	startBrokerProcess,
} from "../support/spawn-broker.ts";
import { check, type Finding } from "./check.ts";
import { readEvents } from "./events.ts";
import type { Order, Progress } from "./load.ts";

export interface KillOptions {
	kills: number;
	seed: number;
	/** How long the broker has to deliver what is left, in ms. */
	drainMs?: number;
	/** Leaves the log of events behind and names it in the finding. */
	keepLog?: boolean;
	onKill?: (kills: number) => void;
}

/** Messages that are acknowledged between a start and the next kill, at most. */
const MOST_MESSAGES = 300;
/** From there to the kill, at most, in ms. */
const MOST_MS = 40;
/** A broker under which nothing moves for so long is stuck. */
const STUCK_MS = 60_000;
const DRAIN_MS = 120_000;

export async function runKills(
	options: KillOptions,
): Promise<Finding & { logPath: string }> {
	const { kills, seed, drainMs = DRAIN_MS } = options;
	const random = new Random(seed);
	const folder = mkdtempSync(join(tmpdir(), "broker-kills-"));
	const logPath = join(folder, "events.jsonl");
	const broker = await startBrokerProcess({
		config: {
			max_offline_messages: "unlimited",
			max_online_messages: "unlimited",
			max_queued_bytes: "unlimited",
		},
	});
	try {
		const load = new Load([
			"--port",
			`${broker.port}`,
			"--log",
			logPath,
			"--seed",
			`${seed}`,
			"--drain",
			`${drainMs}`,
		]);
		for (let kill = 1; kill <= kills; kill++) {
			await load.progress(1 + random.below(MOST_MESSAGES));
			await pause(random.below(MOST_MS));
			await killOnce(broker, load);
			options.onKill?.(kill);
		}
		load.order("finish");
		await load.until("finished", 4 * drainMs);
		await killOnce(broker, load);
		load.order("epilogue");
		await load.until("done", 4 * drainMs);
		const finding = check(readEvents(logPath));
		const code = await broker.stop();
		if (code !== 0)
			finding.violations.push(`the broker ended with exit code ${code}`);
		finding.violations.push(...complaints(broker.stderr()));
		return { ...finding, logPath };
	} finally {
		await broker.dispose();
		if (options.keepLog !== true) rmSync(folder, { recursive: true });
	}
}

async function killOnce(broker: SpawnedBroker, load: Load): Promise<void> {
	await broker.kill("SIGKILL");
	load.order("killed");
	await broker.restart();
	load.order("started");
}

/** Lines of the broker that tell of damage or of errors: a kill is no reason for any. */
export function complaints(log: string): string[] {
	return log
		.split("\n")
		.filter((line) => /^(error|warning) (store|system)/.test(line));
}

/** The load as its parent sees it. */
export class Load {
	readonly #child: ChildProcess;
	#acknowledged = 0;
	#state: Progress["state"] | "" = "";

	constructor(args: string[]) {
		this.#child = fork(join(import.meta.dirname, "load.ts"), args);
		endWithProcess(this.#child);
		this.#child.on("message", ({ state, acknowledged }: Progress) => {
			this.#state = state;
			this.#acknowledged = acknowledged;
		});
	}

	order(order: Order): void {
		this.#child.send(order);
	}

	/** Waits until so many more messages have been acknowledged. */
	async progress(messages: number): Promise<void> {
		const target = this.#acknowledged + messages;
		await this.#until(() => this.#acknowledged >= target, STUCK_MS);
	}

	async until(state: Progress["state"], mostMs: number): Promise<void> {
		await this.#until(() => this.#state === state, mostMs);
	}

	async #until(condition: () => boolean, mostMs: number): Promise<void> {
		const deadline = performance.now() + mostMs;
		while (!condition()) {
			if (this.#state !== "done" && this.#child.exitCode !== null)
				throw new Error(
					`the load ended with exit code ${this.#child.exitCode}`,
				);
			if (performance.now() > deadline)
				throw new Error(
					`nothing moves any more: ${this.#acknowledged} messages acknowledged`,
				);
			await pause(5);
		}
	}
}

if (import.meta.main) {
	const { values } = parseArgs({
		options: {
			kills: { type: "string", default: "300" },
			seed: { type: "string", default: String(Date.now() % 1_000_000) },
			keep: { type: "boolean", default: false },
		},
	});
	const [kills, seed] = [Number(values.kills), Number(values.seed)];
	console.log(`${kills} kills, --seed ${seed}`);
	const onKill = (kill: number) => {
		if (kill % 20 === 0) console.log(`${kill} kills`);
	};
	const { violations, logPath, ...counts } = await runKills({
		kills,
		seed,
		keepLog: values.keep,
		onKill,
	});
	for (const violation of violations.slice(0, 50))
		console.log(`FAILED ${violation}`);
	if (values.keep) console.log(`events: ${logPath}`);
	console.log(`${JSON.stringify(counts)}: ${violations.length} violations`);
	process.exitCode = violations.length === 0 ? 0 : 1;
}
