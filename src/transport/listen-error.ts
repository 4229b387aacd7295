/**
 * Turns an error of listen() into words a person can act on.
 */

import { type ListenerOptions, listenerKey } from "./listener.ts";
import { findPortHolder, type PortHolder } from "./port-holder.ts";

export function formatAddress(host: string, port: number): string {
	return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** @returns an Error whose message names the cause and the way out, with the original as `cause` */
export async function explainListenError(
	error: NodeJS.ErrnoException,
	options: ListenerOptions,
	host: string,
	port: number,
): Promise<Error> {
	return new Error(await explain(error, options, host, port), { cause: error });
}

async function explain(
	error: NodeJS.ErrnoException,
	options: ListenerOptions,
	host: string,
	port: number,
): Promise<string> {
	const key = listenerKey(options);
	switch (error.code) {
		case "EADDRINUSE": {
			const other = `set ${key} = ${formatAddress(host, 0).slice(0, -1)}OTHER`;
			const holder = await findPortHolder(host, port);
			return `port ${port} on ${host} is already in use${inUseBy(holder, other)}`;
		}
		case "EACCES":
		case "EPERM":
			return `no permission to listen on port ${port} of ${host}: set ${key} to a port above 1023, or give the service AmbientCapabilities=CAP_NET_BIND_SERVICE`;
		case "EADDRNOTAVAIL":
		case "EAFNOSUPPORT":
			return `this machine does not have the address ${host} (now); correct ${key} = ${formatAddress(host, port)}`;
		case "ENOTFOUND":
		case "EAI_AGAIN":
			return `the name ${host} cannot be resolved; write an address into ${key}`;
		default:
			return `cannot listen on ${formatAddress(host, port)} (${key}): ${error.message}`;
	}
}

function inUseBy(holder: PortHolder | null, other: string): string {
	if (holder === null) return `; stop the program that uses it or ${other}`;
	if (holder.pid === process.pid) {
		return ` by another listener of this process (pid ${holder.pid}); ${other}`;
	}
	if (holder.pid === 0) {
		return ` by a program of user ${holder.uid}, which "sudo ss -ltnp" names; stop it or ${other}`;
	}
	const stop = holder.unit
		? `systemctl stop ${holder.unit.replace(/\.service$/, "")}`
		: `kill ${holder.pid}`;
	return ` by ${holder.program} (pid ${holder.pid}); stop it (${stop}) or ${other}`;
}
