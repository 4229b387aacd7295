import t from "tap";
import {
	AckRing,
	type AckSink,
	type PendingAck,
} from "../../../src/connection/ack-ring.ts";

class NotingSink implements AckSink {
	nowMs = 0;
	readonly notes: string[] = [];
	onEmpty: () => void = () => {};

	writeAck(ack: PendingAck): void {
		this.notes.push(`${ack.type}:${ack.packetId}`);
	}

	onAcksEmpty(): void {
		this.notes.push("empty");
		this.onEmpty();
	}
}

function setUp() {
	const sink = new NotingSink();
	const ring = new AckRing(sink);
	return { sink, ring };
}

t.test(
	"an acknowledgement that waits for nothing leaves at once",
	async (t) => {
		const { sink, ring } = setUp();
		ring.add(4, 1).settle();
		t.strictSame(sink.notes, ["4:1", "empty"]);
		t.equal(ring.length, 0);
	},
);

t.test(
	"one that waits holds back those behind it [MQTT-4.6.0-2] [MQTT-4.6.0-3]",
	async (t) => {
		const { sink, ring } = setUp();
		const acks = [1, 2, 3, 4].map((id) => ring.add(4, id));
		acks[1]?.settle();
		acks[3]?.settle();
		t.strictSame(sink.notes, []);
		acks[0]?.settle();
		t.strictSame(sink.notes, ["4:1", "4:2"]);
		t.equal(ring.length, 2);
		acks[2]?.settle();
		t.strictSame(sink.notes, ["4:1", "4:2", "4:3", "4:4", "empty"]);
	},
);

t.test(
	"one that waits for several things leaves with the last of them",
	async (t) => {
		const { sink, ring } = setUp();
		const ack = ring.add(4, 1);
		ack.hold();
		ack.settle();
		t.strictSame(sink.notes, []);
		ack.settle();
		t.strictSame(sink.notes, ["4:1", "empty"]);
	},
);

t.test("what is to follow a packet runs when it was written", async (t) => {
	const { sink, ring } = setUp();
	const [first, second] = [ring.add(4, 1), ring.add(9, 2)];
	second.whenSent = () => sink.notes.push("after 2");
	second.settle();
	t.strictSame(sink.notes, []);
	first.settle();
	t.strictSame(sink.notes, ["4:1", "9:2", "after 2", "empty"]);
});

t.test(
	"packets handled as soon as the ring is empty keep their order",
	async (t) => {
		const { sink, ring } = setUp();
		sink.onEmpty = () => {
			sink.onEmpty = () => {};
			ring.add(4, 3).settle();
			ring.add(4, 4).settle();
		};
		const ack = ring.add(4, 1);
		ring.add(4, 2).settle();
		ack.settle();
		t.strictSame(sink.notes, [
			"4:1",
			"4:2",
			"empty",
			"4:3",
			"empty",
			"4:4",
			"empty",
		]);
	},
);

t.test("a long ring keeps its order while it moves on", async (t) => {
	const { sink, ring } = setUp();
	const waiting: PendingAck[] = [];
	for (let id = 1; id <= 5000; id++) {
		waiting.push(ring.add(4, id));
		if (id % 3 === 0) waiting.shift()?.settle();
	}
	t.equal(ring.length, waiting.length);
	for (const ack of waiting) ack.settle();
	const ids = sink.notes
		.filter((note) => note !== "empty")
		.map((note) => Number(note.slice(2)));
	t.strictSame(
		ids,
		Array.from({ length: 5000 }, (_, i) => i + 1),
	);
});

t.test("after the end nothing is written", async (t) => {
	const { sink, ring } = setUp();
	const ack = ring.add(4, 1);
	ring.close();
	ack.settle();
	ring.add(4, 2).settle();
	t.strictSame(sink.notes, []);
});
