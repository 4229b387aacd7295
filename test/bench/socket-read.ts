/**
 * Reading through one shared buffer (`onread` on the re-wrapped handle) against plain
 * `data` events: CPU and memory for the same traffic. Each way runs in a process of
 * its own, so that one does not inherit the other's heap.
 * Run: node test/bench/socket-read.ts
 */

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import type {
	ByteStream,
	StreamInfo,
} from "../../src/transport/byte-stream.ts";
import { SocketStream } from "../../src/transport/socket-stream.ts";
import { figure } from "./micro-report.ts";

const CONNECTIONS = 200;
const ROUNDS = 300;
const info = { transport: "tcp", listener: "tcp:bench" } as StreamInfo;

async function run(way: string): Promise<object> {
	let received = 0;
	const streams: ByteStream[] = [];
	const server = createServer({ pauseOnConnect: true }, (socket) => {
		let source = socket;
		if (way === "shared") {
			const shell = socket as unknown as { _handle: object };
			source = SocketStream.adoptHandle(shell._handle);
			(socket as unknown as { _handle: null })._handle = null;
			socket.destroy();
		}
		const stream = new SocketStream(source, info);
		streams.push(stream);
		stream.setHandler({
			onData: (chunk) => {
				received += chunk.length;
			},
			onDrain: () => {},
			onClose: () => {},
		});
	}).listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as { port: number };
	const peers: Socket[] = [];
	for (let i = 0; i < CONNECTIONS; i++) {
		const peer = connect(port, "127.0.0.1");
		await once(peer, "connect");
		peers.push(peer);
	}
	const small = await exchange(Buffer.alloc(64));
	const large = await exchange(Buffer.alloc(8192));
	for (const peer of peers) peer.destroy();
	server.close();
	return { small, large, rssMB: Math.round(process.memoryUsage.rss() / 1e6) };

	/** @returns microseconds for each write and read */
	async function exchange(bytes: Buffer) {
		const start = process.threadCpuUsage();
		for (let round = 0; round < ROUNDS; round++) {
			const wanted = received + bytes.length * CONNECTIONS;
			for (const peer of peers) peer.write(bytes);
			while (received < wanted) await new Promise((r) => setImmediate(r));
		}
		const used = process.threadCpuUsage(start);
		return (used.user + used.system) / (ROUNDS * CONNECTIONS);
	}
}

const way = process.argv[2];
if (way !== undefined) {
	console.log(JSON.stringify(await run(way)));
} else {
	const self = fileURLToPath(import.meta.url);
	for (const name of ["shared", "data"]) {
		const { small, large, rssMB } = JSON.parse(
			execFileSync(process.execPath, [self, name]).toString(),
		);
		figure(`${name}: write and read 64 bytes`, small, "us");
		figure(`${name}: write and read 8 KiB`, large, "us");
		figure(`${name}: RSS of 200 connections`, rssMB, "MB");
	}
}
