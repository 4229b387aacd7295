/** One scenario from the first connection to its figures. */
import { setTimeout as pause } from "node:timers/promises";
import { CommandFailure } from "../../platform/command.ts";
import { pidOfPort, sampleProcess } from "./broker-process.ts";
import { ConnectionFailure } from "./connection-owner.ts";
import { type Credentials, Crowd } from "./crowd.ts";
import type { Histogram } from "./histogram.ts";
import { judge } from "./limits.ts";
import type { BenchResult, BrokerFigures, GeneratorFigures } from "./result.ts";
import { rateOf, type Scenario } from "./scenario.ts";
import { Traffic } from "./traffic.ts";
import { micros, percent, perSecond } from "./words.ts";

const PROGRESS_MS = 1000;
/** From this share of a core on, the generator may be what limits. */
const BUSY_SHARE = 0.9;
/** A generator that is later than this, for 1 % of what it sends, is seen in the latencies. */
const LATE_MICROS = 1000;

export interface RunOptions {
	readonly credentials: Credentials;
	/** Ends the run early, with the figures so far. */
	readonly signal: AbortSignal;
	/** The broker's process; 0 to look for it. */
	readonly pid: number;
	/** A line each second. */
	progress(line: string): void;
}

interface Sample {
	readonly atMs: number;
	readonly sent: number;
	readonly received: number;
	readonly ownCpuMs: number;
	readonly broker: ReturnType<typeof sampleProcess>;
}

/** @throws CommandFailure when the broker cannot be reached or refuses */
export async function runScenario(
	scenario: Scenario,
	options: RunOptions,
): Promise<BenchResult> {
	const { signal, credentials } = options;
	const { host, port, unix } = scenario;
	const pid =
		options.pid ||
		scenario.pid ||
		(unix === "" && isLoopback(host) ? await pidOfPort(host, port) : 0);
	const crowd = new Crowd(scenario, credentials, signal);
	const traffic = new Traffic(scenario, crowd, signal);
	const sample = (): Sample => {
		const { user, system } = process.cpuUsage();
		return {
			atMs: performance.now(),
			sent: traffic.sent,
			received: traffic.arrivals.count,
			ownCpuMs: (user + system) / 1000,
			broker: pid === 0 ? null : sampleProcess(pid),
		};
	};
	const start = sample();
	const stopProgress = tellProgress(scenario, crowd, traffic, options);
	try {
		const span =
			scenario.shape === "connect"
				? await storm(scenario, crowd, traffic, sample, signal)
				: await exchange(scenario, traffic, sample);
		return resultOf({ scenario, crowd, traffic, pid, start, signal, ...span });
	} catch (error) {
		if (!(error instanceof ConnectionFailure)) throw error;
		throw new CommandFailure(`${placeOf(scenario)}: ${error.message}`);
	} finally {
		stopProgress();
		await crowd.leave();
	}
}

interface Span {
	readonly before: Sample;
	readonly after: Sample;
}

/** Only connections: made, held, closed. */
async function storm(
	{ clients, hold }: Scenario,
	crowd: Crowd,
	traffic: Traffic,
	sample: () => Sample,
	signal: AbortSignal,
): Promise<Span> {
	const before = sample();
	await crowd.join(clients, "c", traffic, { goesOn: true });
	if (crowd.open === 0 && !signal.aborted)
		throw new ConnectionFailure(crowd.refusal);
	const after = sample();
	await pause(hold, undefined, { signal }).catch(() => {});
	return { before, after };
}

async function exchange(
	scenario: Scenario,
	traffic: Traffic,
	sample: () => Sample,
): Promise<Span> {
	await traffic.connect();
	traffic.start();
	// What is counted is counted from the first message.
	if (scenario.count === 0) await traffic.last(scenario.warm_up);
	traffic.measure();
	const before = sample();
	await traffic.last(scenario.duration);
	const after = sample();
	await traffic.drain();
	return { before, after };
}

function resultOf(run: {
	readonly scenario: Scenario;
	readonly crowd: Crowd;
	readonly traffic: Traffic;
	readonly pid: number;
	readonly start: Sample;
	readonly before: Sample;
	readonly after: Sample;
	readonly signal: AbortSignal;
}): BenchResult {
	const { scenario, crowd, traffic, before, after, signal } = run;
	const { publishers, subscribers, shape } = scenario;
	const ms = after.atMs - before.atMs;
	const sent = after.sent - before.sent;
	const received = after.received - before.received;
	const { missing, duplicates, reordered } = traffic.arrivals.order;
	const { expected } = traffic;
	const connected = crowd.connectMicros.count;
	const isStorm = shape === "connect";
	const units = isStorm ? connected : subscribers > 0 ? received : sent;
	const generator: GeneratorFigures = {
		cpuShare: (after.ownCpuMs - before.ownCpuMs) / ms,
		cpuMicrosPerMessage: per(after.ownCpuMs - before.ownCpuMs, units),
	};
	const broker = brokerFigures(run, units);
	const sendLate = rateOf(scenario) > 0 ? traffic.sendLate : null;
	const figures: BenchResult = {
		name: scenario.name,
		shape,
		publishers,
		subscribers,
		qos: scenario.qos,
		payloadBytes: scenario.payload,
		mqtt: scenario.mqtt,
		seconds: ms / 1000,
		endedEarly: signal.aborted
			? "interrupted"
			: crowd.open === 0
				? "disconnected"
				: "",
		publishRate: (sent * 1000) / ms,
		deliverRate: (received * 1000) / ms,
		sent: traffic.sent,
		acknowledged: traffic.acknowledged,
		refused: traffic.refused + crowd.refused,
		expected,
		received: traffic.arrivals.count,
		lost:
			expected === null
				? missing
				: Math.max(0, expected - traffic.arrivals.count + duplicates),
		duplicates,
		reordered,
		foreign: traffic.arrivals.foreign,
		latencyMicros: known(traffic.arrivals.latency),
		sendLateMicros: sendLate === null ? null : known(sendLate),
		connected,
		connectSeconds: crowd.connectMs / 1000,
		connectRate: (connected * 1000) / crowd.connectMs,
		connectMicros: crowd.connectMicros.percentiles(),
		disconnects: traffic.disconnects,
		generator,
		broker,
		warnings: warningsOf(scenario, crowd, generator, broker, sendLate),
		limits: [],
		passed: true,
	};
	const limits = judge(scenario.limits, figures);
	return { ...figures, limits, passed: limits.every(({ passed }) => passed) };
}

function brokerFigures(
	run: { pid: number; start: Sample; before: Sample; after: Sample },
	units: number,
): BrokerFigures | null {
	const { pid, start, before, after } = run;
	if (!start.broker || !before.broker || !after.broker) return null;
	const cpuMs = after.broker.cpuMs - before.broker.cpuMs;
	return {
		pid,
		cpuSeconds: cpuMs / 1000,
		cpuShare: cpuMs / (after.atMs - before.atMs),
		cpuMicrosPerMessage: per(cpuMs, units),
		rssStartBytes: start.broker.rssBytes,
		rssBytes: after.broker.rssBytes,
		rssPeakBytes: after.broker.peakBytes,
	};
}

function per(cpuMs: number, units: number): number | null {
	return units > 0 ? (cpuMs * 1000) / units : null;
}

function known(histogram: Histogram) {
	return histogram.count > 0 ? histogram.percentiles() : null;
}

function warningsOf(
	scenario: Scenario,
	crowd: Crowd,
	{ cpuShare }: GeneratorFigures,
	broker: BrokerFigures | null,
	sendLate: Histogram | null,
): string[] {
	const warnings: string[] = [];
	const isFlat = broker !== null && broker.cpuShare >= BUSY_SHARE;
	if (sendLate === null && cpuShare > BUSY_SHARE && !isFlat)
		warnings.push(
			`the generator used ${percent(cpuShare)} of its core${broker === null ? "" : ` and the broker ${percent(broker.cpuShare)}`}: it may have been the limit, so start several, or give it a core of its own`,
		);
	if (sendLate === null && !isFlat && broker !== null && cpuShare <= BUSY_SHARE)
		warnings.push(
			`the broker used ${percent(broker.cpuShare)} of a core and the generator ${percent(cpuShare)}: neither is at its limit, so the cores are shared with others, or lag and window keep both waiting`,
		);
	const late = sendLate?.percentile(0.99) ?? 0;
	if (late > LATE_MICROS)
		warnings.push(
			`the generator was late by ${micros(late)} or more for 1 % of what it sent, which is in the latencies: its core is busy, or the rate too high for it`,
		);
	if (crowd.refused > 0)
		warnings.push(
			`${crowd.refused} connections were refused: ${crowd.refusal}`,
		);
	if (scenario.limits.length > 0 && broker === null)
		for (const { figure } of scenario.limits)
			if (figure.startsWith("broker_"))
				warnings.push(
					`${figure} is not known: the broker's process is not to be seen from here; call it as root, or give --pid`,
				);
	return warnings;
}

/** @returns what stops it */
function tellProgress(
	scenario: Scenario,
	crowd: Crowd,
	traffic: Traffic,
	{ progress }: RunOptions,
): () => void {
	const began = performance.now();
	let last = { atMs: began, sent: 0, received: 0 };
	const timer = setInterval(() => {
		const { sent } = traffic;
		const received = traffic.arrivals.count;
		const atMs = performance.now();
		const rate = (count: number) =>
			perSecond((count * 1000) / (atMs - last.atMs));
		const words = [
			`${Math.round((atMs - began) / 1000)} s`,
			`${crowd.open} connected`,
		];
		if (scenario.publishers > 0) words.push(`in ${rate(sent - last.sent)}`);
		if (scenario.subscribers > 0)
			words.push(`out ${rate(received - last.received)}`);
		const { latency } = traffic.arrivals;
		if (latency.count > 0)
			words.push(`p99 ${micros(latency.percentile(0.99))}`);
		if (traffic.disconnects > 0) words.push(`${traffic.disconnects} lost`);
		if (scenario.shape === "connect")
			words.push(`p99 ${micros(crowd.connectMicros.percentile(0.99))}`);
		progress(`${scenario.name}: ${words.join(", ")}`);
		last = { atMs, sent, received };
	}, PROGRESS_MS);
	return () => clearInterval(timer);
}

/** `127.0.0.1:1883`, for people. */
export function placeOf({ host, port, unix }: Scenario): string {
	if (unix !== "") return unix;
	return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

export function isLoopback(host: string): boolean {
	return (
		host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host)
	);
}
