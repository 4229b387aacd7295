/** The counters at one moment; two of them are what is measured between. */
import { type ProcessSample, sampleProcess } from "./broker-process.ts";
import type { Traffic } from "./traffic.ts";

export interface Sample {
	readonly atMs: number;
	readonly sent: number;
	readonly received: number;
	readonly ownCpuMs: number;
	readonly broker: ProcessSample | null;
}

export interface Span {
	readonly before: Sample;
	readonly after: Sample;
}

/** @param pid of the broker; 0 when it is not known */
export function takeSample(traffic: Traffic, pid: number): Sample {
	const { user, system } = process.cpuUsage();
	return {
		atMs: performance.now(),
		sent: traffic.sent,
		received: traffic.arrivals.count,
		ownCpuMs: (user + system) / 1000,
		broker: pid === 0 ? null : sampleProcess(pid),
	};
}
