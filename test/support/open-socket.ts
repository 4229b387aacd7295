/**
 * Sockets that listen and that nobody in this process accepts from, as systemd has them
 * for a service: made by the C library, since the runtime's own servers accept at once.
 */

import { dlopen } from "node:ffi";
import { closeSync } from "node:fs";
import type { TearDown } from "./spawn-broker.ts";

const AF_UNIX = 1;
const AF_INET = 2;
const SOCK_STREAM = 1;
const BACKLOG = 128;

const { socket, bind, listen, getsockname } = dlopen(null, {
	socket: { return: "i32", arguments: ["i32", "i32", "i32"] },
	bind: { return: "i32", arguments: ["i32", "buffer", "i32"] },
	listen: { return: "i32", arguments: ["i32", "i32"] },
	getsockname: { return: "i32", arguments: ["i32", "buffer", "buffer"] },
}).functions;

export interface OpenSocket {
	readonly descriptor: number;
	/** 0 for a unix socket. */
	readonly port: number;
}

/** On 127.0.0.1, at a port that the system chooses. */
export function openTcpSocket(t: TearDown): OpenSocket {
	const address = Buffer.alloc(16);
	address.writeUInt16LE(AF_INET);
	address.set([127, 0, 0, 1], 4);
	const descriptor = open(t, AF_INET, address);
	const length = Buffer.alloc(4);
	length.writeUInt32LE(address.length);
	getsockname(descriptor, address, length);
	return { descriptor, port: address.readUInt16BE(2) };
}

export function openUnixSocket(t: TearDown, path: string): OpenSocket {
	const address = Buffer.alloc(110);
	address.writeUInt16LE(AF_UNIX);
	address.write(path, 2);
	return { descriptor: open(t, AF_UNIX, address), port: 0 };
}

function open(t: TearDown, family: number, address: Buffer): number {
	const descriptor = socket(family, SOCK_STREAM, 0);
	t.teardown(() => closeSync(descriptor));
	const failed =
		bind(descriptor, address, address.length) + listen(descriptor, BACKLOG);
	if (descriptor < 0 || failed !== 0) throw new Error("no socket");
	return descriptor;
}
