/**
 * Finds out which process listens on a TCP port, from /proc. Best effort: without the
 * rights to look into other processes only their user is known.
 */

import { readdirSync, readlinkSync } from "node:fs";
import { readFile } from "node:fs/promises";
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

export interface ListeningSocket {
	/** Hexadecimal, as the kernel prints it. */
	readonly address: string;
	/** Numeric user. */
	readonly uid: number;
	readonly inode: string;
}

/** @returns null when nothing is found */
export async function findPortHolder(
	host: string,
	port: number,
): Promise<PortHolder | null> {
	const sockets = [
		...listeningSockets(await readText("/proc/net/tcp"), port),
		...listeningSockets(await readText("/proc/net/tcp6"), port),
	];
	const wanted = procAddress(host);
	const socket =
		sockets.find(({ address }) => address === wanted) ??
		sockets.find(({ address }) => isWildcard(address)) ??
		sockets[0];
	return socket === undefined ? null : processOfSocket(socket);
}

/** Who has a socket open. */
export async function processOfSocket({
	inode,
	uid,
}: ListeningSocket): Promise<PortHolder> {
	const pid = findProcess(inode);
	if (pid === 0) return { pid, program: "", unit: "", uid };
	const program = (await readText(`/proc/${pid}/comm`)).trim();
	const cgroup = await readText(`/proc/${pid}/cgroup`);
	return { pid, program, unit: unitOf(cgroup), uid };
}

/** The systemd unit in a text of /proc/PID/cgroup; empty when it is none. */
export function unitOf(cgroup: string): string {
	return /\/([^/\s]+\.service)\s*$/m.exec(cgroup)?.[1] ?? "";
}

/** @param text of /proc/net/tcp or tcp6 */
export function listeningSockets(
	text: string,
	port: number,
): ListeningSocket[] {
	const hexPort = port.toString(16).toUpperCase().padStart(4, "0");
	const found: ListeningSocket[] = [];
	for (const line of text.split("\n")) {
		const fields = line.trim().split(/\s+/);
		const [, local = "", , state, , , , uid = "0", , inode] = fields;
		const [address = "", localPort] = local.split(":");
		if (state !== LISTEN || localPort !== hexPort || !inode) continue;
		found.push({ address, uid: Number(uid), inode });
	}
	return found;
}

/** Whether a socket keeps others from listening on `host`, an address or a name. */
export function isInTheWay(socket: ListeningSocket, host: string): boolean {
	const wanted =
		host === "localhost"
			? [procAddress("127.0.0.1"), procAddress("::1")]
			: [procAddress(host)];
	// One on :: takes IPv4 too, unless its program said otherwise, which is rare.
	const isIPv4OnWildcard6 =
		socket.address.length === 32 && isWildcard(socket.address);
	return wanted.some(
		(address) =>
			address === socket.address ||
			isIPv4OnWildcard6 ||
			(address.length === socket.address.length &&
				(isWildcard(address) || isWildcard(socket.address))),
	);
}

function isWildcard(address: string): boolean {
	return /^0+$/.test(address);
}

/** An address as the kernel prints it, words of 32 bits in this machine's order. */
export function procAddress(host: string): string {
	const bytes = isIPv6(host) ? ipv6Bytes(host) : ipv4Bytes(host);
	let text = "";
	for (let word = 0; word < bytes.length; word += 4)
		for (const byte of bytes.slice(word, word + 4).reverse())
			text += byte.toString(16).toUpperCase().padStart(2, "0");
	return text;
}

function ipv4Bytes(host: string): number[] {
	return host.split(".").map((byte) => Number(byte));
}

function ipv6Bytes(host: string): number[] {
	const plain = new URL(`http://[${host.replace(/%.*$/, "")}]`).hostname;
	const [head = "", tail = ""] = plain.slice(1, -1).split("::");
	const groups = (text: string) => (text === "" ? [] : text.split(":"));
	const first = groups(head);
	const last = groups(tail);
	const zeros = new Array<string>(8 - first.length - last.length).fill("0");
	return [...first, ...zeros, ...last].flatMap((group) => {
		const value = Number.parseInt(group, 16);
		return [value >> 8, value & 0xff];
	});
}

/** Thousands of looks, each far quicker than a turn of the event loop: 20 ms in all. */
function findProcess(inode: string): number {
	const wanted = `socket:[${inode}]`;
	for (const pid of list("/proc")) {
		if (!/^\d+$/.test(pid)) continue;
		for (const fd of list(`/proc/${pid}/fd`)) {
			try {
				if (readlinkSync(`/proc/${pid}/fd/${fd}`) === wanted)
					return Number(pid);
			} catch {
				// closed meanwhile
			}
		}
	}
	return 0;
}

function list(folder: string): string[] {
	try {
		return readdirSync(folder);
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
