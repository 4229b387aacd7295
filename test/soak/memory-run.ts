/**
 * The memory test: a broker with `memory_limit` in a control group that kills it
 * shortly above, under a load far larger than its memory, and everything delivered
 * later. Used by `npm run soak:memory` in full size and by test/system in a tenth.
 */
import { readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MemoryStatus } from "../../src/broker/overload.ts";
import {
	type MemoryCgroup,
	makeMemoryCgroup,
} from "../support/memory-cgroup.ts";
import {
	type SpawnedBroker,
	startBrokerProcess,
} from "../support/spawn-broker.ts";
import { inMiB, MIB, peakRssBytes, rssBytes } from "../system/memory.ts";
import type { MemoryOrder } from "./memory-order.ts";
import { TestProcess } from "./memory-process.ts";

export const LIMIT_BYTES = 160 * MIB;
/** The kernel kills above this: room for what it charges beside the RSS. */
const KILL_BYTES = LIMIT_BYTES + 16 * MIB;
const SAMPLE_MS = 100;
const REPORT_WAIT_MS = 15_000;

export interface MemoryRun extends Omit<MemoryOrder, "port"> {
	readonly what: "queues" | "sessions";
	/** Without a control group only the RSS is watched. */
	readonly inCgroup: boolean;
	readonly say: (line: string) => void;
}

export interface MemoryResult {
	readonly peakBytes: number;
	readonly kills: number;
	/** What went wrong; empty when all is well. */
	readonly failures: readonly string[];
	/** What the broker said of its memory after the load. */
	readonly status: MemoryStatus | null;
}

type Step = readonly ["load" | "check" | "broker", string];

/** In this order; the queues fill while the slow reader lags and the crowd stays. */
const FULL_QUEUES: readonly Step[] = [
	["check", "prepare"],
	["load", "crowd"],
	["load", "retain"],
	["load", "queue"],
	["load", "greet"],
	["check", "absent"],
	["check", "slow"],
	["check", "retained"],
	["load", "greet"],
	["load", "leave"],
];

/** Clients that never come back. */
const MANY_SESSIONS: readonly Step[] = [
	["load", "sessions"],
	["load", "command"],
	["broker", "restart"],
	["check", "commands"],
];

export async function runMemoryTest(run: MemoryRun): Promise<MemoryResult> {
	const cgroup = run.inCgroup ? makeMemoryCgroup(KILL_BYTES) : null;
	const reportFile = join(tmpdir(), `memory-report-${process.pid}.json`);
	let broker: SpawnedBroker | null = null;
	try {
		broker = await startBrokerProcess({
			prefix: cgroup?.prefix ?? [],
			env: { TEST_REPORT_FILE: reportFile },
			config: {
				memory_limit: "160MB",
				max_offline_messages: "unlimited",
				max_online_messages: "unlimited",
				max_queued_bytes: "4GB",
				max_sessions: "unlimited",
			},
		});
		run.say(`started with ${inMiB(rssBytes(broker.pid))}`);
		return await takeSteps(run, broker, cgroup, reportFile);
	} finally {
		await broker?.dispose();
		await rm(reportFile, { force: true });
		cgroup?.remove();
	}
}

async function takeSteps(
	run: MemoryRun,
	broker: SpawnedBroker,
	cgroup: MemoryCgroup | null,
	reportFile: string,
): Promise<MemoryResult> {
	const order: MemoryOrder = {
		port: broker.port,
		absentClients: run.absentClients,
		queuedMessages: run.queuedMessages,
		retainedTopics: run.retainedTopics,
		crowd: run.crowd,
		sessions: run.sessions,
	};
	const processes = {
		load: new TestProcess("memory-load.ts", order),
		check: new TestProcess("memory-check.ts", order),
	};
	const watch = new RssWatch(broker.pid);
	const failures: string[] = [];
	let status: MemoryStatus | null = null;
	try {
		const steps = run.what === "queues" ? FULL_QUEUES : MANY_SESSIONS;
		for (const [who, command] of steps) {
			const startMs = performance.now();
			let words = "started again";
			if (who === "broker") {
				await broker.restart();
				watch.follow(broker.pid);
			} else {
				words = await processes[who].ask(command);
			}
			const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
			const { now, peak } = watch.mark();
			run.say(
				`${words} (${seconds} s); RSS ${inMiB(now)}, at most ${inMiB(peak)}`,
			);
			if (command !== "queue" && command !== "sessions") continue;
			status = await memoryStatus(broker, reportFile);
			run.say(`memory: ${describe(status)}`);
		}
	} catch (error) {
		failures.push((error as Error).message);
	} finally {
		watch.stop();
		processes.load.end();
		processes.check.end();
	}
	const kills = cgroup?.kills() ?? 0;
	if (kills > 0) failures.push(`the kernel killed ${kills} processes`);
	if (watch.peakBytes > LIMIT_BYTES)
		failures.push(`RSS rose to ${inMiB(watch.peakBytes)}`);
	if (failures.length > 0) run.say(broker.stderr().slice(-4000));
	return { peakBytes: watch.peakBytes, kills, failures, status };
}

/** Looks at the RSS again and again; the kernel's own peak is taken where it is higher. */
class RssWatch {
	peakBytes = 0;
	#pid: number;
	readonly #timer: NodeJS.Timeout;
	#now = 0;
	#peakSinceMark = 0;

	constructor(pid: number) {
		this.#pid = pid;
		this.#timer = setInterval(() => this.#look(), SAMPLE_MS);
	}

	/** Another process goes on with the work. */
	follow(pid: number): void {
		this.#pid = pid;
	}

	mark(): { now: number; peak: number } {
		this.#look();
		const peak = this.#peakSinceMark;
		this.#peakSinceMark = 0;
		return { now: this.#now, peak };
	}

	stop(): void {
		clearInterval(this.#timer);
		this.#look();
	}

	#look(): void {
		try {
			this.#now = rssBytes(this.#pid);
			this.peakBytes = Math.max(this.peakBytes, peakRssBytes(this.#pid));
		} catch {
			return; // it has ended: whoever waits for it says so
		}
		this.#peakSinceMark = Math.max(this.#peakSinceMark, this.#now);
	}
}

async function memoryStatus(
	broker: SpawnedBroker,
	file: string,
): Promise<MemoryStatus> {
	await rm(file, { force: true });
	process.kill(broker.pid, "SIGUSR2");
	const deadline = performance.now() + REPORT_WAIT_MS;
	while (performance.now() < deadline) {
		try {
			return JSON.parse(await readFile(file, "utf8")).memory;
		} catch {
			await new Promise((done) => setTimeout(done, SAMPLE_MS));
		}
	}
	throw new Error("the broker wrote no report");
}

function describe(status: MemoryStatus): string {
	const largest = status.largest.map(
		({ name, bytes }) => `${name} ${inMiB(bytes)}`,
	);
	return `${inMiB(status.chargedBytes)} of ${inMiB(status.budgetBytes)} charged, stage ${status.stage}, ${largest.join(", ")}`;
}
