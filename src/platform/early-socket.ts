/**
 * A listening socket on an address that the machine does not have yet: Linux accepts it
 * when asked to [ip(7), IP_FREEBIND], and clients reach it as soon as the address is there.
 */
import { closeSync } from "node:fs";
import { isIPv6 } from "node:net";
import { loadFfi } from "./ffi.ts";

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const IPPROTO_IP = 0;
const IP_FREEBIND = 15;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
/** `struct sockaddr_in` and `sockaddr_in6`: family, port, and where the address begins. */
const ADDRESS_BYTES = { v4: 16, v6: 28 };
const ADDRESS_AT = { v4: 4, v6: 8 };

const signatures = {
	socket: { return: "i32", arguments: ["i32", "i32", "i32"] },
	setsockopt: {
		return: "i32",
		arguments: ["i32", "i32", "i32", "buffer", "i32"],
	},
	bind: { return: "i32", arguments: ["i32", "buffer", "i32"] },
	listen: { return: "i32", arguments: ["i32", "i32"] },
	inet_pton: { return: "i32", arguments: ["i32", "buffer", "buffer"] },
} as const;

/** @returns its descriptor; -1 when the system cannot do it, or the address is none */
export function openEarlySocket(
	host: string,
	port: number,
	backlog: number,
): number {
	const ffi = loadFfi();
	if (ffi === null) return -1;
	const calls = ffi.dlopen(null, signatures).functions;
	const version = isIPv6(host) ? "v6" : "v4";
	const family = version === "v6" ? AF_INET6 : AF_INET;
	const address = Buffer.alloc(ADDRESS_BYTES[version]);
	new Uint16Array(address.buffer, address.byteOffset, 1)[0] = family;
	address.writeUInt16BE(port, 2);
	const place = address.subarray(ADDRESS_AT[version]);
	if (calls.inet_pton(family, Buffer.from(`${host}\0`), place) !== 1) return -1;
	const descriptor = calls.socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (descriptor < 0) return -1;
	const set = (level: number, option: number) =>
		calls.setsockopt(descriptor, level, option, ONE, ONE.length) === 0;
	const isOpen =
		set(SOL_SOCKET, SO_REUSEADDR) &&
		set(IPPROTO_IP, IP_FREEBIND) &&
		(version === "v4" || set(IPPROTO_IPV6, IPV6_V6ONLY)) &&
		calls.bind(descriptor, address, address.length) === 0 &&
		calls.listen(descriptor, backlog) === 0;
	if (isOpen) return descriptor;
	closeSync(descriptor);
	return -1;
}

/** An int that is 1. */
const ONE = Buffer.from(new Int32Array([1]).buffer);
