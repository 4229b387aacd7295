/** Clients that mean harm, or look as if: only they notice. */
import t from "tap";
import {
	connectBytes,
	connectRaw,
	openRaw,
	publishBytes,
	type RawClient,
	varint,
} from "../support/raw-client.ts";
import { spawnBroker } from "../support/spawn-broker.ts";
import { sourceAddress } from "./crowd.ts";
import { forgetPeak, inMiB, MIB, peakRssBytes, rssBytes } from "./memory.ts";
import { checkNoticed, startProbe } from "./probe.ts";
import { linesWith, until } from "./waiting.ts";

/** The longest Remaining Length there is: 256 MB less one byte. */
const HUGE = Buffer.of(0xff, 0xff, 0xff, 0x7f);
/** What a garbage collector may need for itself meanwhile. */
const NOISE_BYTES = 40 * MIB;

t.test(
	"clients that send a byte a second are closed after connect_timeout",
	async (t) => {
		const broker = await spawnBroker(t, { config: { connect_timeout: "2s" } });
		const { port } = broker;
		const probe = await startProbe(t, port);
		const openedMs = performance.now();
		const slow = await openMany(port, 20);
		const bytes = connectBytes({ clientId: "a-client-that-never-finishes" });
		let at = 0;
		const dribble = () => {
			for (const client of slow) client.send(bytes.subarray(at, at + 1));
			at++;
		};
		dribble();
		const timer = setInterval(dribble, 1000);
		t.teardown(() => clearInterval(timer));
		await Promise.all(slow.map((client) => client.closed(6000)));
		clearInterval(timer);
		const elapsedMs = performance.now() - openedMs;
		t.ok(elapsedMs >= 1900, `not before the time: ${elapsedMs} ms`);
		t.ok(elapsedMs < 4000, `each byte did not begin it anew: ${elapsedMs} ms`);
		const [line = ""] = linesWith(broker.stderr(), "connect_timeout");
		t.match(line, "127.0.1.1", "the log says from where");
		checkNoticed(t, await probe.result());
	},
);

t.test(
	"connections that say nothing are closed after connect_timeout",
	async (t) => {
		const broker = await spawnBroker(t, { config: { connect_timeout: "1s" } });
		const silent = await openMany(broker.port, 20);
		await Promise.all(silent.map((client) => client.closed(4000)));
		const lines = linesWith(broker.stderr(), "connect_timeout");
		t.equal(lines.length, 20, "one line for each address");
	},
);

t.test("a packet of 256 MB is refused from its header", async (t) => {
	const broker = await spawnBroker(t);
	const { port, pid } = broker;
	const before = rssBytes(pid);
	forgetPeak(pid);
	for (const first of [0x10, 0x30, 0x82, 0xc0]) {
		const client = await openRaw({ port });
		client.send(Buffer.concat([Buffer.of(first), HUGE]));
		await client.closed(2000);
	}
	const modern = await connectRaw({ port, version: 5, clientId: "huge-5" });
	modern.send(Buffer.concat([Buffer.of(0x30), HUGE]));
	const { reasonCode } = await modern.expect("disconnect");
	t.equal(reasonCode, 0x95, "Packet too large");
	await modern.closed();
	const older = await connectRaw({ port, version: 4, clientId: "huge-4" });
	older.send(Buffer.concat([Buffer.of(0x32), HUGE]));
	await older.closed(2000);
	for (const clientId of ["huge-5", "huge-4"]) {
		const [line = ""] = linesWith(broker.stderr(), "broke the protocol").filter(
			(each) => each.includes(`client=${clientId}`),
		);
		t.match(line, /268435\d\d\d bytes/, "the log says how large");
	}
	const grown = peakRssBytes(pid) - before;
	t.ok(grown < NOISE_BYTES, `memory grew by ${inMiB(grown)}`);
});

t.test(
	"packets that are announced and never come take no memory",
	async (t) => {
		const broker = await spawnBroker(t);
		const { port, pid } = broker;
		const before = rssBytes(pid);
		forgetPeak(pid);
		const clients: RawClient[] = [];
		for (let i = 0; i < 200; i++) {
			clients.push(await connectRaw({ port, clientId: `announces-${i}` }));
		}
		const start = publishBytes({ topic: "big", payload: Buffer.alloc(1000) });
		// The header of 10 MB, and a kilobyte of it.
		const header = Buffer.from([0x30, ...varint(10_000_000)]);
		const half = Buffer.concat([header, start.subarray(3)]);
		for (const client of clients) client.send(half);
		const last = await connectRaw({ port, clientId: "last" });
		await last.ping();
		const grown = peakRssBytes(pid) - before;
		t.ok(grown < NOISE_BYTES, `memory grew by ${inMiB(grown)}`);
		t.ok(
			clients.every(({ isClosed }) => !isClosed),
			"it is not forbidden",
		);
	},
);

t.test(
	"half a CONNECT from many is bounded by unauthenticated_bytes",
	async (t) => {
		const budget = 512 * 1024;
		const broker = await spawnBroker(t, {
			config: { unauthenticated_bytes: "512KB", connect_timeout: "3s" },
		});
		const { port, pid } = broker;
		const before = rssBytes(pid);
		forgetPeak(pid);
		const sizeOfHalf = 30_000;
		const attackers = await openMany(port, 300);
		for (const client of attackers) client.send(halfConnect(sizeOfHalf));
		const open = () => attackers.filter(({ isClosed }) => !isClosed).length;
		await until(
			() => open() * sizeOfHalf <= budget,
			"no more than the budget allows is kept",
			3000,
		);
		t.comment(`${open()} of 300 are still connected`);
		const grown = peakRssBytes(pid) - before;
		t.ok(grown < NOISE_BYTES, `memory grew by ${inMiB(grown)}`);
		const [line = ""] = linesWith(broker.stderr(), "unauthenticated_bytes");
		t.match(line, "127.0.1.", "the log names who was closed, and the key");
		const whole = await connectRaw({ port, clientId: "whole" });
		await whole.ping();
		await Promise.all(attackers.map((client) => client.closed(8000)));
	},
);

t.test(
	"when the budget is used up the largest is closed, not an honest client",
	async (t) => {
		const broker = await spawnBroker(t, {
			config: { unauthenticated_bytes: "64KB", connect_timeout: "10s" },
		});
		const { port } = broker;
		const [largest, ...others] = await openMany(port, 100);
		largest?.send(halfConnect(30_000));
		// One after the other, so that the small ones find what the larger ones left.
		const quiet = await connectRaw({ port, clientId: "quiet" });
		await quiet.ping();
		for (const [index, client] of others.entries()) {
			client.send(halfConnect(index === 0 ? 20_000 : 20));
			await quiet.ping();
		}
		const honest = await openRaw({ port });
		const bytes = connectBytes({ clientId: "honest" });
		// In pieces, as over a slow radio link.
		for (let at = 0; at < bytes.length; at += 4) {
			honest.send(bytes.subarray(at, at + 4));
			await quiet.ping();
		}
		const [answer] = await Promise.allSettled([honest.expect("connack")]);
		t.equal(answer?.status, "fulfilled", "the honest client is let in");
		t.ok(largest?.isClosed, "the largest was closed");
	},
);

t.test("what is no MQTT at all is closed at once, with one line", async (t) => {
	const broker = await spawnBroker(t);
	const { port } = broker;
	for (const words of [
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"SSH-2.0-OpenSSH_9.2\r\n",
	]) {
		const client = await openRaw({ port });
		client.send(Buffer.from(words, "latin1"));
		await client.closed(2000);
	}
	const lines = linesWith(broker.stderr(), "broke the protocol");
	t.equal(lines.length, 1, "the same address is named once per interval");
	t.match(
		lines[0],
		/HTTP on a listener for plain MQTT/,
		"and what came is named",
	);
});

/** Connections from many addresses, on which nothing was sent yet. */
function openMany(port: number, count: number): Promise<RawClient[]> {
	return Promise.all(
		Array.from({ length: count }, (_, index) =>
			openRaw({ port, from: sourceAddress(index) }),
		),
	);
}

/** The first `size` bytes of a CONNECT of twice as many. */
function halfConnect(size: number): Buffer {
	const whole = connectBytes({
		clientId: "half",
		will: { topic: "will", payload: "x".repeat(2 * size) },
	});
	return whole.subarray(0, size);
}
