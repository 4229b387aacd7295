/**
 * `npm run soak`: random clients against a broker in a process of its own, for
 * ten minutes by default, and then an exact account of messages and memory.
 * Options: --minutes N, --clients N, --rate N (messages a second), --seed N.
 * The same seed makes the same choices; the timing of course differs.
 */
import { readFileSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import {
	type SpawnedBroker,
	startBrokerProcess,
} from "../support/spawn-broker.ts";
import { Random } from "./random.ts";
import { type RoundCounts, runRound } from "./round.ts";

const reportTimeoutMs = 10_000;
const progressEveryMs = 10_000;
/** From this length on memory has settled at half time. */
const settledMinutes = 5;

interface BrokerReport {
	heapUsed: number;
	rss: number;
	budgets: Record<string, number>;
	connections: number;
	sessions: number;
	subscriptions: number;
}

const { values } = parseArgs({
	options: {
		minutes: { type: "string", default: "10" },
		clients: { type: "string", default: "48" },
		rate: { type: "string", default: "300" },
		seed: { type: "string", default: String(Date.now() % 1_000_000) },
	},
});
const minutes = Number(values.minutes);
const seed = Number(values.seed);
const clients = Number(values.clients);
const rate = Number(values.rate);
for (const [name, value] of Object.entries({ minutes, seed, clients, rate })) {
	if (!(value >= 0)) throw new Error(`--${name} needs a number`);
}

console.log(
	`soak: ${minutes} min, ${clients} clients, ${rate} messages/s, seed ${seed}`,
);
const failures = await soak();
for (const failure of failures.slice(0, 50)) console.log(`FAILED ${failure}`);
if (failures.length > 50) console.log(`... ${failures.length} failures`);
console.log(failures.length === 0 ? "soak passed" : "soak failed");
process.exitCode = failures.length === 0 ? 0 : 1;

async function soak(): Promise<string[]> {
	const reportFile = join(
		process.env.TMPDIR ?? "/tmp",
		`soak-report-${process.pid}.json`,
	);
	const broker = await startBrokerProcess({
		nodeArgs: ["--expose-gc"],
		env: { TEST_REPORT_FILE: reportFile },
		config: {
			// Holders are away while others publish: nothing may be dropped then.
			max_offline_messages: "unlimited",
			max_online_messages: "unlimited",
		},
	});
	try {
		return await measure(broker, reportFile);
	} finally {
		await broker.dispose();
		await rm(reportFile, { force: true });
	}
}

async function measure(
	broker: SpawnedBroker,
	reportFile: string,
): Promise<string[]> {
	const random = new Random(seed);
	const durationMs = minutes * 60_000;
	const round = (ms: number, onTick: (elapsedMs: number) => void) =>
		runRound({
			port: broker.port,
			random,
			clients,
			rate,
			durationMs: ms,
			onTick: withProgress(broker, onTick),
		});

	// A short round first: the heap's start is that of a broker that has worked.
	const warmUp = await round(Math.min(15_000, durationMs / 4), () => {});
	const before = await settledReport(broker, reportFile);
	const rssAtKb: { half: number[]; end: number[] } = { half: [], end: [] };
	const main = await round(durationMs, (elapsedMs) => {
		// The five seconds before half time and before the end.
		const part = elapsedMs <= durationMs / 2 ? "half" : "end";
		const until = part === "half" ? durationMs / 2 : durationMs;
		if (until - elapsedMs < 5000) rssAtKb[part].push(rssKb(broker.pid));
	});
	const after = await settledReport(broker, reportFile);
	const failures = [...warmUp.violations, ...main.violations];
	failures.push(...checkRss(median(rssAtKb.half), median(rssAtKb.end)));
	if (before !== undefined && after !== undefined) {
		failures.push(...checkReports(before, after));
	}
	console.log(summary(main.counts));
	const code = await broker.stop();
	if (code !== 0) failures.push(`the broker ended with exit code ${code}`);
	return failures;
}

function withProgress(
	broker: SpawnedBroker,
	onTick: (elapsedMs: number) => void,
): (elapsedMs: number, counts: RoundCounts) => void {
	let printedMs = 0;
	return (elapsedMs, counts) => {
		onTick(elapsedMs);
		if (elapsedMs - printedMs < progressEveryMs) return;
		printedMs = elapsedMs;
		const seconds = Math.round(elapsedMs / 1000);
		const mb = (rssKb(broker.pid) / 1024).toFixed(1);
		console.log(`${seconds} s: ${summary(counts)}, RSS ${mb} MB`);
	};
}

function summary(counts: RoundCounts): string {
	return (
		`${counts.sent} sent, ${counts.received} received, ` +
		`${counts.arrivals} arrivals, ${counts.departures} departures, ` +
		`${counts.connected} connected, ${counts.violations} violations`
	);
}

function checkRss(halfKb: number, endKb: number): string[] {
	const growth = (endKb / halfKb - 1) * 100;
	const limit = minutes >= settledMinutes ? 5 : 25;
	console.log(
		`RSS at half time ${halfKb} KB, at the end ${endKb} KB (${growth.toFixed(1)} %, limit ${limit} %)`,
	);
	return growth <= limit ? [] : [`RSS grew by ${growth.toFixed(1)} %`];
}

function checkReports(before: BrokerReport, after: BrokerReport): string[] {
	const failures: string[] = [];
	const growth = (after.heapUsed / before.heapUsed - 1) * 100;
	console.log(
		`heap after collection: ${before.heapUsed} bytes, then ${after.heapUsed} (${growth.toFixed(1)} %)`,
	);
	console.log(`budgets at the end: ${JSON.stringify(after.budgets)}`);
	if (growth > 10) failures.push(`the heap grew by ${growth.toFixed(1)} %`);
	failures.push(...leftovers(after));
	return failures;
}

/** What a broker without clients, sessions and retained messages may not hold. */
function leftovers(report: BrokerReport): string[] {
	const held = Object.entries({
		connections: report.connections,
		sessions: report.sessions,
		subscriptions: report.subscriptions,
		...report.budgets,
	});
	return held
		.filter(([, amount]) => amount !== 0)
		.map(([name, amount]) => `${name} is ${amount} at the end, not 0`);
}

/** Asks until nothing is held any more or the time is over; mosquitto cannot be asked. */
async function settledReport(
	broker: SpawnedBroker,
	reportFile: string,
): Promise<BrokerReport | undefined> {
	if (broker.kind === "mosquitto") return undefined;
	const deadline = performance.now() + reportTimeoutMs;
	for (;;) {
		const report = await askForReport(broker, reportFile, deadline);
		if (leftovers(report).length === 0 || performance.now() > deadline) {
			return report;
		}
		await pause(500);
	}
}

async function askForReport(
	broker: SpawnedBroker,
	reportFile: string,
	deadline: number,
): Promise<BrokerReport> {
	await rm(reportFile, { force: true });
	process.kill(broker.pid, "SIGUSR2");
	for (;;) {
		try {
			return JSON.parse(await readFile(reportFile, "utf8")) as BrokerReport;
		} catch (error) {
			// Not written yet, or half written.
			if (performance.now() > deadline + reportTimeoutMs) throw error;
		}
		await pause(50);
	}
}

function rssKb(pid: number): number {
	const status = readFileSync(`/proc/${pid}/status`, "utf8");
	return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]);
}

function median(numbers: number[]): number {
	const sorted = numbers.toSorted((a, b) => a - b);
	return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
