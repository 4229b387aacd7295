/**
 * Finds out which process listens on a TCP port, from /proc. Best effort: without the
 * rights to look into other processes only their user is known.
 */

import { readdir, readFile, readlink } from "node:fs/promises";
import { isIPv6 } from "node:net";

export interface PortHolder {
	/** 0 when the system does not tell. */
	readonly pid: number;
	/** Program name; empty when the system does not tell. */
	readonly program: string;
	/** systemd unit, `mosquitto.service`; empty when it is none. */
	readonly unit: string;
	/** Numeric user of the socket. */
	readonly uid: number;
}

const LISTEN = "0A";

/** @returns null when nothing is found */
export async function findPortHolder(
	host: string,
	port: number,
): Promise<PortHolder | null> {
	const entries = [
		...(await listeningSockets("/proc/net/tcp", port)),
		...(await listeningSockets("/proc/net/tcp6", port)),
	];
	const wanted = procAddress(host);
	const entry =
		entries.find((socket) => socket.address === wanted) ??
		entries.find((socket) => /^0+$/.test(socket.address)) ??
		entries[0];
	if (entry === undefined) return null;
	const pid = await findProcess(entry.inode);
	if (pid === 0) return { pid, program: "", unit: "", uid: entry.uid };
	const program = (await readText(`/proc/${pid}/comm`)).trim();
	const cgroup = await readText(`/proc/${pid}/cgroup`);
	const unit = /\/([^/\s]+\.service)\s*$/m.exec(cgroup)?.[1] ?? "";
	return { pid, program, unit, uid: entry.uid };
}

interface ListeningSocket {
	readonly address: string;
	readonly uid: number;
	readonly inode: string;
}

async function listeningSockets(
	file: string,
	port: number,
): Promise<ListeningSocket[]> {
	const hexPort = port.toString(16).toUpperCase().padStart(4, "0");
	const found: ListeningSocket[] = [];
	for (const line of (await readText(file)).split("\n")) {
		const fields = line.trim().split(/\s+/);
		const [, local = "", , state, , , , uid = "0", , inode] = fields;
		const [address = "", localPort] = local.split(":");
		if (state !== LISTEN || localPort !== hexPort || !inode) continue;
		found.push({ address, uid: Number(uid), inode });
	}
	return found;
}

/** An IPv4 address as the kernel prints it; IPv6 only where it is ::1. */
function procAddress(host: string): string {
	if (isIPv6(host))
		return host === "::1" ? "00000000000000000000000001000000" : "";
	return host
		.split(".")
		.reverse()
		.map((byte) => Number(byte).toString(16).toUpperCase().padStart(2, "0"))
		.join("");
}

async function findProcess(inode: string): Promise<number> {
	const wanted = `socket:[${inode}]`;
	for (const pid of await list("/proc")) {
		if (!/^\d+$/.test(pid)) continue;
		for (const fd of await list(`/proc/${pid}/fd`)) {
			try {
				if ((await readlink(`/proc/${pid}/fd/${fd}`)) === wanted)
					return Number(pid);
			} catch {
				// closed meanwhile
			}
		}
	}
	return 0;
}

async function list(folder: string): Promise<string[]> {
	try {
		return await readdir(folder);
	} catch {
		return [];
	}
}

async function readText(file: string): Promise<string> {
	try {
		return await readFile(file, "latin1");
	} catch {
		return "";
	}
}
