/** The broker's process as /proc shows it, when it is on this machine. */
import { readFileSync } from "node:fs";
import { findPortHolder } from "../../transport/port-holder.ts";

/** Ticks of /proc/PID/stat in a second, on every Linux. */
const TICKS_PER_SECOND = 100;

export interface ProcessSample {
	readonly cpuMs: number;
	readonly rssBytes: number;
	readonly peakBytes: number;
}

/** @returns 0 when nobody listens there, or the system does not tell who */
export async function pidOfPort(host: string, port: number): Promise<number> {
	const address = host === "localhost" ? "127.0.0.1" : host;
	return (await findPortHolder(address, port))?.pid ?? 0;
}

/** @returns null when there is no such process (any more) */
export function sampleProcess(pid: number): ProcessSample | null {
	try {
		const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
		const status = readFileSync(`/proc/${pid}/status`, "latin1");
		// The name in parentheses may hold spaces: the fields are counted after it.
		const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
		const ticks = Number(fields[11]) + Number(fields[12]);
		return {
			cpuMs: (ticks * 1000) / TICKS_PER_SECOND,
			rssBytes: kilobytes(status, "VmRSS") * 1024,
			peakBytes: kilobytes(status, "VmHWM") * 1024,
		};
	} catch {
		return null;
	}
}

function kilobytes(status: string, name: string): number {
	return Number(new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(status)?.[1] ?? 0);
}
