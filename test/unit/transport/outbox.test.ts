import fc from "fast-check";
import t from "tap";
import { ByteBudget } from "../../../src/platform/byte-budget.ts";
import { REFERENCE_BYTES } from "../../../src/protocol/layout.ts";
import type {
	ByteStream,
	StreamInfo,
} from "../../../src/transport/byte-stream.ts";
import { FlushLoop } from "../../../src/transport/flush-loop.ts";
import { Outbox } from "../../../src/transport/outbox.ts";
import { TcpListener } from "../../../src/transport/tcp.ts";
import {
	Acceptor,
	connectTo,
	eventually,
	listenerOptions,
	turns,
} from "./support.ts";

/** Takes at most `room` bytes; the rest stays by reference, as with a socket. */
class FakeStream implements ByteStream {
	readonly info = {} as StreamInfo;
	writes = 0;
	room = Number.POSITIVE_INFINITY;
	readonly taken: Buffer[] = [];
	#pending: Buffer[] = [];

	get pendingBytes(): number {
		return this.#pending.reduce((sum, buffer) => sum + buffer.length, 0);
	}

	limitGathering(): void {}
	setHandler(): void {}
	pause(): void {}
	resume(): void {}
	end(): void {}
	destroy(): void {}

	write(buffers: readonly Buffer[]): boolean {
		this.writes++;
		this.#pending.push(...buffers);
		this.take(0);
		return this.#pending.length === 0;
	}

	/** The peer reads `bytes` more. @returns true when nothing is pending any more */
	take(bytes: number): boolean {
		this.room += bytes;
		while (this.#pending.length > 0 && this.room > 0) {
			const first = this.#pending[0] as Buffer;
			const part = Math.min(first.length, this.room);
			this.taken.push(Buffer.from(first.subarray(0, part)));
			this.room -= part;
			if (part === first.length) this.#pending.shift();
			else this.#pending[0] = first.subarray(part);
		}
		return this.#pending.length === 0;
	}

	get bytes(): Buffer {
		return Buffer.concat(this.taken);
	}
}

function make(highWaterBytes = 100_000) {
	const stream = new FakeStream();
	const loop = new FlushLoop();
	const budget = new ByteBudget("outboxes", Number.POSITIVE_INFINITY, "key");
	const outbox = new Outbox(stream, loop, budget, highWaterBytes);
	return { stream, loop, budget, outbox };
}

t.test("what is appended in one turn leaves in one write", async (t) => {
	const { stream, outbox, budget } = make();
	for (let i = 0; i < 10; i++) outbox.append(Buffer.from([i, i]));
	t.equal(outbox.pendingBytes, 20);
	t.equal(stream.writes, 0);
	t.ok(budget.used >= 20);
	await turns(1);
	t.equal(stream.writes, 1);
	t.equal(stream.bytes.length, 20);
	t.equal(outbox.pendingBytes, 0);
	t.equal(budget.used, 0);
	await turns(2);
	t.equal(stream.writes, 1);
});

t.test(
	"one turn flushes all dirty outboxes, and each again in the next",
	async (t) => {
		const { stream, loop, budget, outbox } = make();
		const other = new FakeStream();
		const second = new Outbox(other, loop, budget, 1000);
		for (let round = 1; round <= 3; round++) {
			outbox.append(Buffer.from("a"));
			second.append(Buffer.from("b"));
			await turns(1);
			t.equal(stream.writes, round);
			t.equal(other.writes, round);
		}
		outbox.append(Buffer.from("c"));
		loop.flush();
		t.equal(stream.bytes.toString(), "aaac");
	},
);

t.test("a copied range may be overwritten after append", (t) => {
	const { stream, outbox } = make();
	const bytes = Buffer.from("0123456789");
	outbox.append(bytes, 2, 5);
	bytes.fill(0);
	outbox.flush();
	t.equal(stream.bytes.toString(), "234");
	t.end();
});

t.test("an acknowledgement is four bytes [MQTT-2.2.1-2]", (t) => {
	const { stream, outbox } = make();
	outbox.appendAck(0x40, 0x1234);
	outbox.appendAck(0x62, 0xffff);
	outbox.flush();
	t.same([...stream.bytes], [0x40, 2, 0x12, 0x34, 0x62, 2, 0xff, 0xff]);
	t.end();
});

t.test(
	"a PUBLISH gets its own first byte and packet id, the source stays",
	(t) => {
		const { stream, outbox } = make();
		const frame = Buffer.from([9, 9, 0x32, 7, 0, 1, 0x61, 0, 0, 0x70, 0x71, 9]);
		const before = Buffer.from(frame);
		outbox.appendPublish(frame, 2, 11, 0x3a, 7, 0xabcd);
		outbox.appendPublish(frame, 2, 11, 0x30, -1, 0);
		outbox.flush();
		t.same(
			[...stream.bytes],
			[0x3a, 7, 0, 1, 0x61, 0xab, 0xcd, 0x70, 0x71].concat([
				0x30, 7, 0, 1, 0x61, 0, 0, 0x70, 0x71,
			]),
		);
		t.same(frame, before);
		t.end();
	},
);

t.test("a large PUBLISH is patched and its payload is not copied", (t) => {
	for (const idOffset of [3 + 20, 3 + 30_000, -1]) {
		const { stream, outbox, budget } = make();
		const frame = Buffer.alloc(100_003, 5);
		outbox.append(Buffer.from("before"));
		outbox.appendPublish(frame, 3, 100_003, 0x3b, idOffset, 0x0102);
		t.ok(budget.used < 110_000, "one copy of the payload at most");
		outbox.append(Buffer.from("after"));
		outbox.flush();
		const expected = Buffer.from(frame.subarray(3));
		expected[0] = 0x3b;
		if (idOffset >= 0) expected.writeUInt16BE(0x0102, idOffset - 3);
		const all = [Buffer.from("before"), expected, Buffer.from("after")];
		t.ok(stream.bytes.equals(Buffer.concat(all)));
		t.ok(
			frame.every((byte) => byte === 5),
			"the shared frame is untouched",
		);
		t.equal(budget.used, 0);
	}
	t.end();
});

t.test("a buffer that many outboxes reference is charged once", (t) => {
	const { loop, budget } = make();
	const payload = Buffer.alloc(1_000_000);
	const streams = Array.from({ length: 20 }, () => new FakeStream());
	const outboxes = streams.map((stream) => {
		stream.room = 0;
		return new Outbox(stream, loop, budget, 1000);
	});
	for (const outbox of outboxes) outbox.append(payload);
	t.equal(budget.used, 1_000_000);
	t.equal(outboxes[0]?.pendingBytes, 1_000_000);
	outboxes[0]?.close();
	t.equal(budget.used, 1_000_000);
	for (const [i, outbox] of outboxes.entries()) {
		if (streams[i]?.take(1_000_000)) outbox.onDrain();
	}
	t.equal(budget.used, 0);
	t.end();
});

t.test("much output in one turn is written before its end", (t) => {
	const { stream, outbox, budget } = make();
	const packet = Buffer.alloc(1000);
	for (let i = 0; i < 1000; i++) outbox.append(packet);
	t.ok(stream.writes >= 10);
	t.ok(budget.peak < 200_000);
	t.notOk(outbox.isCongested);
	outbox.flush();
	t.equal(stream.bytes.length, 1_000_000);
	t.end();
});

t.test("while blocked nothing is written and output gathers", async (t) => {
	const { stream, loop, budget, outbox } = make(5000);
	stream.room = 10;
	outbox.append(Buffer.alloc(4000, 1));
	loop.flush();
	t.ok(outbox.isBlocked);
	t.notOk(outbox.isCongested);
	t.equal(outbox.pendingBytes, 3990);
	outbox.append(Buffer.alloc(1011, 2));
	t.ok(outbox.isCongested);
	await turns(2);
	outbox.flush();
	t.equal(stream.writes, 1);
	t.notOk(stream.take(3000));
	t.equal(outbox.pendingBytes, 2001);
	t.notOk(outbox.isCongested, "what the system took counts no more");
	t.ok(stream.take(990));
	outbox.onDrain();
	t.notOk(outbox.isBlocked);
	stream.room = 1e9;
	await turns(1);
	t.equal(stream.writes, 2);
	t.equal(stream.bytes.length, 5011);
	t.equal(budget.used, 0);
});

t.test("chunks in flight are not reused before the drain", (t) => {
	const { stream, loop, budget, outbox } = make();
	stream.room = 0;
	outbox.append(Buffer.alloc(100, 1));
	outbox.flush();
	const other = new FakeStream();
	const second = new Outbox(other, loop, budget, 1000);
	for (let i = 0; i < 50; i++) {
		second.append(Buffer.alloc(900, 2));
		second.flush();
	}
	stream.take(1000);
	outbox.onDrain();
	t.ok(stream.bytes.equals(Buffer.alloc(100, 1)));
	t.end();
});

t.test("close() gives back everything and ends all output", async (t) => {
	for (const room of [0, 10, Number.POSITIVE_INFINITY]) {
		const { stream, loop, budget, outbox } = make();
		stream.room = room;
		outbox.append(Buffer.alloc(30_000));
		outbox.append(Buffer.alloc(300));
		outbox.flush();
		outbox.append(Buffer.alloc(30_000));
		outbox.appendAck(0x40, 1);
		outbox.close();
		outbox.close();
		t.equal(budget.used, 0);
		t.equal(outbox.pendingBytes, 0);
		outbox.append(Buffer.alloc(10));
		outbox.append(Buffer.alloc(REFERENCE_BYTES));
		outbox.appendAck(0x40, 1);
		outbox.appendPublish(Buffer.alloc(10), 0, 10, 0x30, -1, 0);
		outbox.onDrain();
		const { writes } = stream;
		loop.flush();
		await turns(1);
		t.equal(stream.writes, writes);
		t.equal(budget.used, 0);
	}
});

t.test("closing from within a write leaves no charge", (t) => {
	for (const answer of [true, false]) {
		const { stream, budget, outbox } = make();
		stream.write = () => {
			outbox.append(Buffer.alloc(50));
			outbox.flush();
			outbox.close();
			return answer;
		};
		outbox.append(Buffer.alloc(50));
		outbox.append(Buffer.alloc(20_000));
		outbox.flush();
		t.equal(budget.used, 0);
	}
	t.end();
});

t.test("what a write provokes is sent in the next turn", async (t) => {
	const { stream, budget, outbox } = make();
	const write = stream.write.bind(stream);
	let answers = 3;
	stream.write = (buffers) => {
		const taken = write(buffers);
		if (answers-- > 0) outbox.append(Buffer.from("answer"));
		return taken;
	};
	outbox.append(Buffer.from("question"));
	await turns(6);
	t.equal(stream.bytes.toString(), "questionansweranswer" + "answer");
	t.equal(budget.used, 0);
});

t.test("the pool keeps a bounded number of bytes, idle outboxes none", (t) => {
	const { loop, budget } = make();
	const outboxes = Array.from({ length: 5000 }, () => {
		return new Outbox(new FakeStream(), loop, budget, 1000);
	});
	for (let round = 0; round < 3; round++) {
		for (const outbox of outboxes) outbox.append(Buffer.alloc(64));
		t.equal(budget.used, 5000 * 1024, "a small packet takes a small chunk");
		loop.flush();
		t.equal(budget.used, 0);
		t.ok(loop.pool.freeBytes <= loop.pool.maxFreeBytes);
	}
	t.end();
});

t.test(
	"any appends, flushes and drains give the same bytes in the same order",
	(t) => {
		const action = fc.oneof(
			{
				weight: 6,
				arbitrary: fc.record({ append: fc.integer({ min: 0, max: 3000 }) }),
			},
			{
				weight: 2,
				arbitrary: fc.record({
					append: fc.integer({ min: 10_000, max: 90_000 }),
				}),
			},
			{
				weight: 3,
				arbitrary: fc.record({ ack: fc.integer({ min: 1, max: 65_535 }) }),
			},
			{
				weight: 3,
				arbitrary: fc.record({
					publish: fc.oneof(
						fc.integer({ min: 8, max: 500 }),
						fc.integer({ min: 16_000, max: 70_000 }),
					),
					idAt: fc.double({ min: 0, max: 1, noNaN: true }),
				}),
			},
			{ weight: 4, arbitrary: fc.constant("flush" as const) },
			{
				weight: 5,
				arbitrary: fc.record({ take: fc.integer({ min: 1, max: 60_000 }) }),
			},
		);
		fc.assert(
			fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
				const { stream, loop, budget, outbox } = make();
				stream.room = 0;
				const expected: Buffer[] = [];
				let fill = 0;
				const fresh = (length: number) => Buffer.alloc(length, ++fill & 0xff);
				const put = (bytes: Buffer) => {
					expected.push(Buffer.from(bytes));
				};
				for (const step of actions) {
					if (step === "flush") {
						loop.flush();
					} else if ("append" in step) {
						const bytes = fresh(step.append + 10);
						put(bytes.subarray(3, step.append + 3));
						outbox.append(bytes, 3, step.append + 3);
						if (step.append < REFERENCE_BYTES) bytes.fill(0xee);
					} else if ("ack" in step) {
						put(Buffer.from([0x40, 2, step.ack >> 8, step.ack & 0xff]));
						outbox.appendAck(0x40, step.ack);
					} else if ("publish" in step) {
						const bytes = fresh(step.publish + 5);
						const idAt = 5 + 1 + Math.floor(step.idAt * (step.publish - 3));
						const wanted = Buffer.from(bytes.subarray(5));
						wanted[0] = 0x32;
						wanted.writeUInt16BE(0xabcd, idAt - 5);
						put(wanted);
						outbox.appendPublish(bytes, 5, bytes.length, 0x32, idAt, 0xabcd);
					} else if (stream.take(step.take) && outbox.isBlocked) {
						outbox.onDrain();
					}
					const sent = stream.bytes.length;
					const total = Buffer.concat(expected).length;
					if (outbox.pendingBytes !== total - sent) return false;
				}
				for (let i = 0; i < 100 && outbox.pendingBytes > 0; i++) {
					if (stream.take(1e9) && outbox.isBlocked) outbox.onDrain();
					loop.flush();
				}
				return (
					stream.bytes.equals(Buffer.concat(expected)) && budget.used === 0
				);
			}),
			{ numRuns: 150 },
		);
		t.end();
	},
);

t.test("a peer that does not read congests only its own outbox", async (t) => {
	const acceptor = new Acceptor();
	const listener = new TcpListener(
		listenerOptions(),
		acceptor.accept,
		() => {},
	);
	await listener.start();
	const slow = await connectTo(listener.port);
	const slowEnd = await acceptor.next();
	const quick = await connectTo(listener.port);
	const quickEnd = await acceptor.next();
	t.teardown(async () => {
		slow.destroy();
		quick.destroy();
		acceptor.destroyAll();
		await listener.stop();
	});
	const loop = new FlushLoop();
	const budget = new ByteBudget("outboxes", Number.POSITIVE_INFINITY, "key");
	const outboxes = [slowEnd, quickEnd].map(({ stream, recorder }) => {
		const outbox = new Outbox(stream, loop, budget, 100_000);
		recorder.onDrain = () => outbox.onDrain();
		return outbox;
	});
	const [toSlow, toQuick] = outboxes as [Outbox, Outbox];
	let quickBytes = 0;
	quick.on("data", (chunk) => {
		quickBytes += chunk.length;
	});
	slow.pause();
	const packet = Buffer.alloc(10_000, 3);
	let sent = 0;
	while (!toSlow.isCongested) {
		toSlow.append(packet);
		toQuick.append(packet);
		sent += packet.length;
		await turns(1);
	}
	t.ok(toSlow.isBlocked);
	await eventually(() => quickBytes === sent && toQuick.pendingBytes === 0);
	let slowBytes = 0;
	let isRight = true;
	slow.on("data", (chunk: Buffer) => {
		slowBytes += chunk.length;
		isRight &&= chunk.every((byte: number) => byte === 3);
	});
	slow.resume();
	await eventually(() => slowBytes === sent && toSlow.pendingBytes === 0);
	t.ok(isRight);
	t.equal(budget.used, 0);
});

t.test("many small packets leave as one segment", (t) => {
	const stream = new FakeStream();
	const loop = new FlushLoop();
	const budget = new ByteBudget("outboxes", 1e9, "memory_limit");
	const outbox = new Outbox(stream, loop, budget, 1e6);
	const packet = Buffer.alloc(90, 1);
	for (let i = 0; i < 500; i++) outbox.append(packet);
	loop.flush();
	t.equal(stream.writes, 1);
	t.equal(
		stream.taken.length,
		1,
		"copied into larger chunks while they gather",
	);
	t.equal(stream.bytes.length, 500 * 90);
	t.equal(budget.used, 0);
	t.end();
});
