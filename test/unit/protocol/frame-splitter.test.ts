import t from "tap";
import { ByteBudget } from "../../../src/platform/byte-budget.ts";
import {
	type FrameSink,
	FrameSplitter,
} from "../../../src/protocol/frame-splitter.ts";
import { ProtocolError } from "../../../src/protocol/protocol-error.ts";
import { ReasonCode } from "../../../src/protocol/reason-codes.ts";
import { frameOf } from "../../fixtures/frame-text.ts";
import { withReason } from "../../fixtures/reason.ts";

class Collector implements FrameSink {
	readonly frames: string[] = [];
	/** Stops behind this many frames. */
	stopAfter = Number.POSITIVE_INFINITY;
	onFrame(
		buffer: Buffer,
		start: number,
		bodyStart: number,
		end: number,
	): boolean {
		const body = end - bodyStart;
		this.frames.push(`${buffer.toString("hex", start, end)}/${body}`);
		return this.frames.length < this.stopAfter;
	}
}

function setup(maxPacketSize = 1_000_000) {
	const budget = new ByteBudget("frames", Number.POSITIVE_INFINITY, "x");
	return {
		budget,
		sink: new Collector(),
		splitter: new FrameSplitter(maxPacketSize, budget),
	};
}

const stream = frameOf("c0 [ ] 30 [ s'a' 'hello' ] 40 [ 0001 ]");
const expected = ["c000/0", "300800016168656c6c6f/8", "40020001/2"];

t.test(
	"points into the chunk and holds nothing when it has whole packets",
	(t) => {
		const { budget, sink, splitter } = setup();
		let seen: Buffer | null = null;
		splitter.push(stream, {
			onFrame: (buffer, ...rest) => {
				seen = buffer;
				return sink.onFrame(buffer, ...rest);
			},
		});
		t.equal(seen, stream);
		t.same(sink.frames, expected);
		t.equal(splitter.bufferedBytes, 0);
		t.equal(budget.peak, 0);
		t.end();
	},
);

t.test(
	"gives the same frames for every way to cut the stream in three",
	(t) => {
		for (let one = 0; one <= stream.length; one++)
			for (let two = one; two <= stream.length; two++) {
				const { budget, sink, splitter } = setup();
				for (const piece of [
					stream.subarray(0, one),
					stream.subarray(one, two),
					stream.subarray(two),
				]) {
					const chunk = Buffer.from(piece);
					splitter.push(chunk, sink);
					chunk.fill(0xff);
				}
				if (
					sink.frames.join() !== expected.join() ||
					budget.used !== 0 ||
					splitter.bufferedBytes !== 0
				)
					t.same(sink.frames, expected, `cut at ${one} and ${two}`);
			}
		t.end();
	},
);

t.test(
	"refuses an over-long packet from its header, before it is buffered",
	(t) => {
		const { budget, sink, splitter } = setup(100);
		splitter.push(Buffer.from([0x30]), sink);
		try {
			splitter.push(Buffer.from([0xff, 0xff, 0xff, 0x7f]), sink);
			t.fail("accepted");
		} catch (error) {
			t.match(error, {
				name: "ProtocolError",
				reasonCode: ReasonCode.PacketTooLarge,
			});
		}
		splitter.reset();
		t.equal(budget.used, 0);
		splitter.push(frameOf(`30 [ ${"00".repeat(98)} ]`), sink);
		t.equal(sink.frames.length, 1, "exactly the limit is fine");
		t.throws(
			() => splitter.push(frameOf(`30 [ ${"00".repeat(99)} ]`), sink),
			withReason(ReasonCode.PacketTooLarge),
		);
		t.end();
	},
);

t.test("has a lower limit for packets that are no PUBLISH", (t) => {
	const { sink, splitter } = setup(1000);
	splitter.maxControlPacketSize = 50;
	splitter.push(frameOf(`30 [ ${"00".repeat(100)} ]`), sink);
	t.equal(sink.frames.length, 1);
	t.throws(
		() => splitter.push(frameOf(`82 [ ${"00".repeat(100)} ]`), sink),
		withReason(
			ReasonCode.PacketTooLarge,
			"SUBSCRIBE of 102 bytes, the limit is 50",
		),
	);
	t.end();
});

t.test(
	"reserves memory for what has arrived, not for what a header claims",
	(t) => {
		const { budget, sink, splitter } = setup(300_000_000);
		splitter.push(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f, 1, 2, 3]), sink);
		t.equal(splitter.bufferedBytes, 8);
		t.ok(budget.used < 1000);
		for (let round = 0; round < 10; round++)
			splitter.push(Buffer.alloc(1000), sink);
		t.equal(splitter.bufferedBytes, 10_008);
		t.ok(budget.used >= 10_008 && budget.used <= 2 * 10_008);
		splitter.reset();
		t.equal(splitter.bufferedBytes, 0);
		t.equal(budget.used, 0);
		t.end();
	},
);

t.test(
	"refuses a Remaining Length of five bytes or in more bytes than needed [MQTT-1.5.5-1]",
	(t) => {
		for (const hex of [
			"308080808001",
			"30ffffffff",
			"308000",
			"30808000",
			"30ff8000",
		]) {
			const { sink, splitter } = setup(300_000_000);
			t.throws(
				() => {
					for (const byte of Buffer.from(hex, "hex"))
						splitter.push(Buffer.from([byte]), sink);
				},
				withReason(ReasonCode.MalformedPacket),
				hex,
			);
		}
		t.end();
	},
);

t.test("hands over the frames before a bad one", (t) => {
	const { sink, splitter } = setup();
	t.throws(
		() => splitter.push(frameOf("c0 [ ] 30 8080808001"), sink),
		ProtocolError,
	);
	t.same(sink.frames, ["c000/0"]);
	t.end();
});

t.test(
	"keeps a copy of the rest when the sink says stop, and goes on with it",
	(t) => {
		for (let stop = 1; stop <= 3; stop++)
			for (let cut = 0; cut <= stream.length; cut++) {
				const { budget, sink, splitter } = setup();
				sink.stopAfter = stop;
				for (const piece of [stream.subarray(0, cut), stream.subarray(cut)]) {
					const chunk = Buffer.from(piece);
					splitter.push(chunk, sink);
					chunk.fill(0xff);
				}
				t.same(sink.frames, expected.slice(0, stop));
				t.ok(splitter.isStopped);
				sink.stopAfter = stop + 1;
				splitter.resume(sink);
				t.same(sink.frames, expected.slice(0, stop + 1));
				sink.stopAfter = Number.POSITIVE_INFINITY;
				splitter.resume(sink);
				t.same(sink.frames, expected);
				t.equal(splitter.isStopped, false);
				splitter.push(stream, sink);
				t.same(sink.frames, [...expected, ...expected]);
				t.equal(budget.used, 0);
			}
		t.end();
	},
);

t.test("goes on with a partial frame that was kept behind a stop", (t) => {
	const { budget, sink, splitter } = setup();
	sink.stopAfter = 1;
	splitter.push(stream.subarray(0, 7), sink);
	sink.stopAfter = Number.POSITIVE_INFINITY;
	splitter.resume(sink);
	t.equal(splitter.bufferedBytes, 5);
	splitter.push(stream.subarray(7), sink);
	t.same(sink.frames, expected);
	t.equal(budget.used, 0);
	t.end();
});

t.test("a frame that was put back comes again, however it was cut", (t) => {
	for (let cut = 0; cut <= stream.length; cut++) {
		const { budget, sink, splitter } = setup();
		let refusals = 2;
		const reluctant: FrameSink = {
			onFrame: (buffer, start, bodyStart, end) => {
				const isPublish = buffer[start] === 0x30;
				if (!isPublish || refusals-- <= 0)
					return sink.onFrame(buffer, start, bodyStart, end);
				splitter.putBack();
				return false;
			},
		};
		splitter.push(stream.subarray(0, cut), reluctant);
		splitter.push(stream.subarray(cut), reluctant);
		t.ok(splitter.isStopped);
		t.same(sink.frames, expected.slice(0, 1));
		splitter.resume(reluctant);
		t.ok(splitter.isStopped);
		splitter.resume(reluctant);
		t.same(sink.frames, expected, `cut at ${cut}`);
		t.equal(budget.used, 0);
	}
	t.end();
});

t.test("bounds what may arrive while stopped", (t) => {
	const { budget, sink, splitter } = setup();
	splitter.maxHeldBytes = 100;
	sink.stopAfter = 1;
	splitter.push(frameOf("c0 [ ]"), sink);
	splitter.push(Buffer.alloc(100), sink);
	t.equal(splitter.bufferedBytes, 100);
	t.throws(
		() => splitter.push(Buffer.alloc(1), sink),
		withReason(ReasonCode.QuotaExceeded),
	);
	splitter.reset();
	t.equal(budget.used, 0);
	t.end();
});

t.test("lets the sink reset it from inside", (t) => {
	for (const cut of [0, 1, 4]) {
		const { budget, splitter } = setup();
		let frames = 0;
		const sink = {
			onFrame: () => {
				frames++;
				splitter.reset();
				return true;
			},
		};
		splitter.push(stream.subarray(0, cut), sink);
		const before = frames;
		splitter.push(stream.subarray(cut), sink);
		t.equal(frames, before + 1, "nothing of the rest is handed over");
		t.equal(splitter.bufferedBytes, 0);
		t.equal(budget.used, 0);
	}
	t.end();
});

t.test("resume without a stop does nothing", (t) => {
	const { sink, splitter } = setup();
	splitter.push(stream.subarray(0, 4), sink);
	splitter.resume(sink);
	splitter.push(stream.subarray(4), sink);
	t.same(sink.frames, expected);
	t.end();
});

t.test("a limit lowered in between applies to a partial frame", (t) => {
	const { sink, splitter } = setup();
	splitter.push(stream.subarray(2, 8), sink);
	splitter.maxPacketSize = 5;
	t.throws(
		() => splitter.push(stream.subarray(8), sink),
		withReason(ReasonCode.PacketTooLarge),
	);
	t.end();
});

t.test(
	"moves what it holds to another budget, even from inside the sink",
	(t) => {
		const { budget, splitter } = setup();
		const other = new ByteBudget("other", Number.POSITIVE_INFINITY, "y");
		let frames = 0;
		const sink = {
			onFrame: () => {
				frames++;
				splitter.useLimits(1_000_000, other);
				return true;
			},
		};
		splitter.push(stream.subarray(0, 1), sink);
		splitter.push(stream.subarray(1, 6), sink);
		t.equal(budget.used, 0);
		t.ok(other.used >= 4);
		splitter.push(stream.subarray(6), sink);
		t.equal(frames, 3);
		t.equal(other.used, 0);
		t.end();
	},
);
