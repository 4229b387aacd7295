/**
 * What an appended 64-byte packet costs against one write per packet, over loopback.
 * Run: node test/bench/outbox.ts
 */

import { once } from "node:events";
import { connect } from "node:net";
import { ByteBudget } from "../../src/platform/byte-budget.ts";
import type { ByteStream } from "../../src/transport/byte-stream.ts";
import { FlushLoop } from "../../src/transport/flush-loop.ts";
import { Outbox } from "../../src/transport/outbox.ts";
import { TcpListener } from "../../src/transport/tcp.ts";
import { figure } from "./micro-report.ts";

const PACKETS_PER_TURN = 50;
const TURNS = 2000;
const packet = Buffer.alloc(64, 0x61);

const streams: ByteStream[] = [];
const outboxes: Outbox[] = [];
const loop = new FlushLoop();
const budget = new ByteBudget("outboxes", Number.POSITIVE_INFINITY, "key");
const listener = new TcpListener(
	{
		name: "tcp:bench",
		transport: "tcp",
		addresses: [{ host: "127.0.0.1", port: 0 }],
		maxConnections: 10,
		backlog: 10,
		noDelay: true,
		keepAliveSeconds: 0,
	},
	(stream) => {
		const outbox = new Outbox(stream, loop, budget, 1_000_000);
		streams.push(stream);
		outboxes.push(outbox);
		stream.setHandler({
			onData: () => {},
			onDrain: () => outbox.onDrain(),
			onClose: () => outbox.close(),
		});
	},
	console.error,
);
await listener.start();
const peer = connect(listener.port, "127.0.0.1");
peer.resume();
await once(peer, "connect");
while (streams.length === 0) await nextTurn();
const stream = streams[0] as ByteStream;
const outbox = outboxes[0] as Outbox;

/** A stream that takes everything: what is left is the outbox itself. */
const sink = { ...stream, pendingBytes: 0, write: () => true } as ByteStream;
const alone = new Outbox(sink, loop, budget, 1_000_000);

function nextTurn(): Promise<void> {
	return new Promise((resolve) => setImmediate(resolve));
}

/** Nanoseconds of main-thread CPU per packet; the best of three rounds. */
async function measure(sendTurn: () => void): Promise<number> {
	let best = Number.POSITIVE_INFINITY;
	for (let round = 0; round < 3; round++) {
		const before = process.threadCpuUsage();
		for (let turn = 0; turn < TURNS; turn++) {
			sendTurn();
			await nextTurn();
			while (stream.pendingBytes > 0) await nextTurn();
		}
		const used = process.threadCpuUsage(before);
		const ns = (used.user + used.system) * 1000;
		best = Math.min(best, ns / (TURNS * PACKETS_PER_TURN));
	}
	return best;
}

const one = [packet];
const ways: Record<string, () => void> = {
	"one write for each packet": () => {
		for (let i = 0; i < PACKETS_PER_TURN; i++) stream.write(one);
	},
	"one write for all, gathered by the system": () => {
		stream.write(Array.from({ length: PACKETS_PER_TURN }, () => packet));
	},
	outbox: () => {
		for (let i = 0; i < PACKETS_PER_TURN; i++) outbox.append(packet);
	},
	"outbox, PUBLISH": () => {
		for (let i = 0; i < PACKETS_PER_TURN; i++) {
			outbox.appendPublish(packet, 0, 64, 0x32, 10, i);
		}
	},
	"outbox without a socket": () => {
		for (let i = 0; i < PACKETS_PER_TURN; i++) alone.append(packet);
	},
	"acknowledgements without a socket": () => {
		for (let i = 0; i < PACKETS_PER_TURN; i++) alone.appendAck(0x40, i);
	},
	"an empty turn": () => {},
};
for (const [what, sendTurn] of Object.entries(ways))
	figure(`${what}, 50 a turn`, await measure(sendTurn), "ns");
if (budget.used > 0) throw new Error(`${budget.used} bytes are still charged`);
peer.destroy();
stream.destroy();
await listener.stop();
