/** One scenario from the first connection to its figures. */
import { setTimeout as pause } from "node:timers/promises";
import { CommandFailure } from "../../platform/command.ts";
import { ConnectionFailure } from "./connection-owner.ts";
import { type Credentials, Crowd } from "./crowd.ts";
import { type Halves, offline, retained } from "./halves.ts";
import type { Histogram } from "./histogram.ts";
import { judge } from "./limits.ts";
import { tellProgress } from "./progress.ts";
import type {
	BenchResult,
	BrokerFigures,
	GeneratorFigures,
	StoringFigures,
} from "./result.ts";
import { type Sample, type Span, takeSample } from "./sample.ts";
import { rateOf, type Scenario } from "./scenario.ts";
import type { Moment } from "./timeline.ts";
import { Traffic } from "./traffic.ts";
import { warningsOf } from "./warnings.ts";

export interface RunOptions {
	readonly credentials: Credentials;
	/** Ends the run early, with the figures so far. */
	readonly signal: AbortSignal;
	/** The broker's process; 0 when it is not known. */
	readonly pid: number;
	/** Each second, in words and figures. */
	progress(line: string, moment: Moment): void;
}

/** @throws CommandFailure when the broker cannot be reached or refuses */
export async function runScenario(
	scenario: Scenario,
	options: RunOptions,
): Promise<BenchResult> {
	const { signal, credentials, pid } = options;
	const crowd = new Crowd(scenario, credentials, signal);
	const traffic = new Traffic(scenario, crowd, signal);
	const sample = () => takeSample(traffic, pid);
	const start = sample();
	const stopProgress = tellProgress(scenario, crowd, traffic, options.progress);
	try {
		const span = await carryOut(scenario, crowd, traffic, sample, signal);
		return resultOf({ scenario, crowd, traffic, pid, start, signal, ...span });
	} catch (error) {
		if (!(error instanceof ConnectionFailure)) throw error;
		throw new CommandFailure(`${placeOf(scenario)}: ${error.message}`);
	} finally {
		stopProgress();
		await crowd.leave();
	}
}

function carryOut(
	scenario: Scenario,
	crowd: Crowd,
	traffic: Traffic,
	sample: () => Sample,
	signal: AbortSignal,
): Promise<Span | Halves> {
	switch (scenario.shape) {
		case "connect":
			return storm(scenario, crowd, traffic, sample, signal);
		case "offline":
			return offline(scenario, crowd, traffic, sample);
		case "retained":
			return retained(scenario, crowd, traffic, sample);
		default:
			return exchange(scenario, traffic, sample);
	}
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
	const made = sample();
	await pause(hold, undefined, { signal }).catch(() => {});
	// CPU time is that of connecting, memory that of holding.
	const rssBytes = sample().broker?.rssBytes;
	const broker =
		made.broker === null || rssBytes === undefined
			? null
			: { ...made.broker, rssBytes };
	return { before, after: { ...made, broker } };
}

async function exchange(
	scenario: Scenario,
	traffic: Traffic,
	sample: () => Sample,
): Promise<Span> {
	await traffic.addSubscribers();
	await traffic.addPublishers();
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
	readonly storing?: Span;
}): BenchResult {
	const { scenario, crowd, traffic, before, after, signal } = run;
	const storing = run.storing === undefined ? null : storingOf(run.storing);
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
		publishRate: storing?.rate ?? (sent * 1000) / ms,
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
		storing,
		warnings: warningsOf(scenario, crowd, generator, broker, sendLate),
		limits: [],
		passed: true,
	};
	const limits = judge(scenario.limits, figures);
	return { ...figures, limits, passed: limits.every(({ passed }) => passed) };
}

function storingOf({ before, after }: Span): StoringFigures {
	const ms = after.atMs - before.atMs;
	const messages = after.sent - before.sent;
	const isKnown = before.broker !== null && after.broker !== null;
	const cpuMs = (after.broker?.cpuMs ?? 0) - (before.broker?.cpuMs ?? 0);
	return {
		seconds: ms / 1000,
		rate: (messages * 1000) / ms,
		brokerCpuMicrosPerMessage: isKnown ? per(cpuMs, messages) : null,
		rssBytes: after.broker?.rssBytes ?? null,
	};
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

/** `127.0.0.1:1883`, for people. */
export function placeOf({ host, port, unix }: Scenario): string {
	if (unix !== "") return unix;
	return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
