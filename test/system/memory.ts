/** The memory of another process, as the kernel counts it. */
import { readFileSync, writeFileSync } from "node:fs";

export const MIB = 1024 * 1024;

/** Bytes of a process in memory now. */
export function rssBytes(pid: number): number {
	return statusBytes(pid, "VmRSS");
}

/** The most that {@link rssBytes} was since {@link forgetPeak}. */
export function peakRssBytes(pid: number): number {
	return statusBytes(pid, "VmHWM");
}

export function forgetPeak(pid: number): void {
	writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

export function inMiB(bytes: number): string {
	return `${(bytes / MIB).toFixed(1)} MiB`;
}

function statusBytes(pid: number, name: string): number {
	const status = readFileSync(`/proc/${pid}/status`, "latin1");
	const kib = new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1];
	if (kib === undefined) throw new Error(`no ${name} of process ${pid}`);
	return Number(kib) * 1024;
}
