/** The broker's process as /proc shows it, when it is on this machine. */
import { once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import { connect } from "node:net";
import { peerProcess } from "../../platform/peer-process.ts";
import { findPortHolder } from "../../transport/port-holder.ts";
import type { Scenario } from "./scenario.ts";

/** Ticks of /proc/PID/stat in a second, on every Linux. */
const TICKS_PER_SECOND = 100;

export interface ProcessSample {
	readonly cpuMs: number;
	readonly rssBytes: number;
	readonly peakBytes: number;
}

/**
 * The process that listens where a scenario connects to.
 * @param ourPid asks the running broker of this installation; for a port whose holder the
 *   system does not tell, it is taken when it is of the same user
 * @returns 0 when it is not to be found
 */
export async function findBroker(
	{ pid, host, port, unix }: Pick<Scenario, "pid" | "host" | "port" | "unix">,
	ourPid: () => Promise<number>,
): Promise<number> {
	if (pid > 0) return pid;
	if (unix !== "") return pidOfSocket(unix);
	if (!isLoopback(host)) return 0;
	const address = host === "localhost" ? "127.0.0.1" : host;
	const holder = await findPortHolder(address, port);
	if (holder === null || holder.pid > 0) return holder?.pid ?? 0;
	const ours = await ourPid();
	return ours > 0 && userOf(ours) === holder.uid ? ours : 0;
}

export function isLoopback(host: string): boolean {
	return (
		host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host)
	);
}

/** How many files this process may have open. */
export function openFilesLimit(): number {
	const limits = readFileSync("/proc/self/limits", "latin1");
	const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
	return Number(soft ?? Number.POSITIVE_INFINITY);
}

/** Who accepts connections on a unix socket. */
async function pidOfSocket(path: string): Promise<number> {
	const socket = connect(path);
	try {
		await once(socket, "connect");
		const { _handle } = socket as { _handle?: { fd?: number } };
		return peerProcess(_handle?.fd ?? -1);
	} catch {
		return 0;
	} finally {
		socket.destroy();
	}
}

function userOf(pid: number): number {
	try {
		return statSync(`/proc/${pid}`).uid;
	} catch {
		return -1;
	}
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
