import { once } from "node:events";
import type { Socket } from "node:net";
import { duplexPair } from "node:stream";
import t, { type Test } from "tap";
import type { Clock } from "../../../src/platform/clock.ts";
import type { StreamInfo } from "../../../src/transport/byte-stream.ts";
import { SocketStream } from "../../../src/transport/socket-stream.ts";
import { TcpListener } from "../../../src/transport/tcp.ts";
import {
	Acceptor,
	connectTo,
	eventually,
	listenerOptions,
	Recorder,
	turns,
} from "./support.ts";

const info: StreamInfo = {
	transport: "local",
	listener: "local",
	remoteAddress: "",
	remotePort: 0,
	isLoopback: true,
};

async function connectedPair(t: Test) {
	const acceptor = new Acceptor();
	const listener = new TcpListener(
		listenerOptions(),
		acceptor.accept,
		() => {},
	);
	await listener.start();
	const peer = await connectTo(listener.port);
	peer.on("error", () => {});
	t.teardown(async () => {
		peer.destroy();
		acceptor.destroyAll();
		await listener.stop();
	});
	return { peer, listener, ...(await acceptor.next()) };
}

function countBytes(socket: Socket): { bytes: number } {
	const count = { bytes: 0 };
	socket.on("data", (chunk) => {
		count.bytes += chunk.length;
	});
	return count;
}

t.test(
	"a small write is taken at once and its buffer may be reused",
	async (t) => {
		const { peer, stream } = await connectedPair(t);
		const received: Buffer[] = [];
		peer.on("data", (chunk: Buffer) => received.push(chunk));
		const buffer = Buffer.alloc(64);
		for (let i = 0; i < 100; i++) {
			buffer.fill(i);
			t.equal(stream.write([buffer]), true);
			buffer.fill(0xff);
		}
		t.equal(stream.pendingBytes, 0);
		await eventually(() => Buffer.concat(received).length === 6400);
		const bytes = Buffer.concat(received);
		for (let i = 0; i < 100; i++) t.equal(bytes[i * 64 + 63], i);
	},
);

t.test("several buffers leave in order and may be reused", async (t) => {
	const { peer, stream } = await connectedPair(t);
	const received: Buffer[] = [];
	peer.on("data", (chunk: Buffer) => received.push(chunk));
	const parts = [
		Buffer.from("one "),
		Buffer.from("two "),
		Buffer.from("three"),
	];
	t.equal(stream.write(parts), true);
	for (const part of parts) part.fill(0);
	await eventually(() => Buffer.concat(received).length === 13);
	t.equal(Buffer.concat(received).toString(), "one two three");
});

t.test(
	"a refused write drains once, and pending bytes fall meanwhile",
	async (t) => {
		const { peer, stream, recorder } = await connectedPair(t);
		peer.pause();
		const size = 30_000_000;
		t.equal(stream.write([Buffer.alloc(size)]), false);
		const first = stream.pendingBytes;
		t.ok(first > 0 && first < size, "the system took a part");
		const count = countBytes(peer);
		let least = first;
		peer.on("data", () => {
			least = Math.min(least, stream.pendingBytes || least);
		});
		peer.resume();
		await recorder.until(() => recorder.drains > 0);
		t.ok(least < first, "progress is visible");
		t.equal(stream.pendingBytes, 0);
		await eventually(() => count.bytes === size);
		t.equal(recorder.drains, 1);
		t.equal(stream.write([Buffer.alloc(1)]), true);
		await turns(3);
		t.equal(recorder.drains, 1, "no drain after a write that was taken");
	},
);

t.test("a second refused write counts in full", async (t) => {
	const { peer, stream, recorder } = await connectedPair(t);
	peer.pause();
	stream.write([Buffer.alloc(20_000_000)]);
	t.equal(stream.write([Buffer.alloc(1000), Buffer.alloc(500)]), false);
	t.equal(stream.pendingBytes, 20_001_500);
	peer.resume();
	await recorder.until(() => recorder.drains > 0);
	t.equal(recorder.drains, 1);
});

t.test("a paused socket really stops and loses nothing", async (t) => {
	const { peer, stream, recorder } = await connectedPair(t);
	stream.pause();
	const size = 8_000_000;
	peer.write(Buffer.alloc(size, 7));
	await turns(50);
	t.equal(recorder.bytes.length, 0);
	t.ok(peer.writableLength > 0, "the peer feels it");
	stream.resume();
	await recorder.until(() => recorder.bytes.length === size);
});

t.test("pausing inside onData stops after that chunk", async (t) => {
	const { peer, stream } = await connectedPair(t);
	let bytes = 0;
	let reads = 0;
	stream.setHandler({
		onData: (chunk) => {
			bytes += chunk.length;
			reads++;
			stream.pause();
		},
		onDrain: () => {},
		onClose: () => {},
	});
	peer.write(Buffer.alloc(1_000_000));
	await eventually(() => reads === 1);
	await turns(20);
	t.equal(reads, 1);
	while (bytes < 1_000_000) {
		const before = reads;
		stream.resume();
		await eventually(() => reads > before);
		t.equal(reads, before + 1);
	}
});

t.test(
	"the end of the peer closes the stream once, without an error",
	async (t) => {
		const { peer, listener, recorder } = await connectedPair(t);
		peer.end("last words");
		await recorder.until(() => recorder.closes.length > 0);
		t.equal(recorder.bytes.toString(), "last words");
		await once(peer, "close");
		await eventually(() => listener.connections === 0);
		t.same(recorder.closes, [null]);
	},
);

t.test("a reset by the peer is passed as an error, once", async (t) => {
	const { peer, recorder } = await connectedPair(t);
	peer.resetAndDestroy();
	await recorder.until(() => recorder.closes.length > 0);
	t.match(recorder.closes[0], { code: "ECONNRESET" });
	await turns(5);
	t.equal(recorder.closes.length, 1);
});

t.test("writing to a peer that has gone does not throw", async (t) => {
	const { peer, stream, recorder } = await connectedPair(t);
	stream.pause(); // so that only writes notice
	peer.resetAndDestroy();
	await once(peer, "close");
	while (recorder.closes.length === 0) {
		stream.write([Buffer.alloc(100)]);
		await turns(1);
	}
	t.match(recorder.closes[0], { code: /EPIPE|ECONNRESET/ });
	t.equal(stream.write([Buffer.alloc(100)]), true, "nobody waits for a drain");
});

t.test("end() sends what is pending, then closes", async (t) => {
	const { peer, stream, recorder } = await connectedPair(t);
	const size = 5_000_000;
	const count = countBytes(peer);
	stream.write([Buffer.alloc(size)]);
	stream.end();
	stream.end();
	peer.write("too late");
	await once(peer, "close");
	await recorder.until(() => recorder.closes.length > 0);
	t.equal(count.bytes, size);
	t.equal(recorder.bytes.length, 0, "nothing is delivered after end()");
	t.same(recorder.closes, [null]);
});

t.test("end() does not wait for a peer that takes nothing", async (t) => {
	const timers: { callback: () => void; delayMs: number }[] = [];
	const clock: Clock = {
		monotonicMs: () => 0,
		wallMs: () => 0,
		setTimer: (callback, delayMs) => timers.push({ callback, delayMs }),
		clearTimer: () => {},
	};
	const [mine, theirs] = duplexPair();
	theirs.pause();
	const recorder = new Recorder();
	const stream = new SocketStream(mine, info, clock);
	stream.setHandler(recorder);
	stream.write([Buffer.alloc(200_000)]);
	stream.end();
	await turns(5);
	t.equal(recorder.closes.length, 0);
	t.equal(timers[0]?.delayMs, 2000);
	timers[0]?.callback();
	await recorder.until(() => recorder.closes.length > 0);
	t.same(recorder.closes, [null]);
});

t.test("destroy() closes at once, whatever is pending", async (t) => {
	const { peer, stream, recorder } = await connectedPair(t);
	peer.pause();
	stream.write([Buffer.alloc(20_000_000)]);
	stream.destroy();
	await recorder.until(() => recorder.closes.length > 0);
	t.same(recorder.closes, [null]);
	t.equal(recorder.drains, 0);
});

t.test(
	"works on a duplex pair, which keeps the buffers it is given",
	async (t) => {
		const [mine, theirs] = duplexPair();
		const recorder = new Recorder();
		const stream = new SocketStream(mine, info);
		stream.setHandler(recorder);
		theirs.write("hello");
		await recorder.until(() => recorder.bytes.toString() === "hello");
		const buffer = Buffer.from("abc");
		stream.write([buffer, buffer]);
		buffer.fill(0);
		const [chunk] = await once(theirs, "data");
		t.equal(String(chunk), "abcabc");
		theirs.end();
		await recorder.until(() => recorder.closes.length > 0);
		t.same(recorder.closes, [null]);
	},
);

t.test("a duplex pair drains after a pause of its reader", async (t) => {
	const [mine, theirs] = duplexPair();
	const recorder = new Recorder();
	const stream = new SocketStream(mine, info);
	stream.setHandler(recorder);
	theirs.pause();
	t.equal(stream.write([Buffer.alloc(100_000)]), false);
	t.equal(stream.pendingBytes, 100_000);
	theirs.resume();
	await recorder.until(() => recorder.drains > 0);
	t.equal(recorder.drains, 1);
	stream.destroy();
});
