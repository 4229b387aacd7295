import t from "tap";
import { FrameSplitter } from "../../../src/protocol/frame-splitter.ts";
import {
	givePartialBuffer,
	takePartialBuffer,
} from "../../../src/protocol/partial-buffers.ts";

t.test("a buffer that was given back is taken again", async (t) => {
	const first = takePartialBuffer(60_000, 0);
	t.equal(first.length, 65_536, "the next size");
	givePartialBuffer(first);
	t.equal(takePartialBuffer(40_000, 100_000), first);
	t.not(takePartialBuffer(40_000, 0), first, "nobody else has it");
});

t.test("small and very large ones are what was wanted", async (t) => {
	t.equal(takePartialBuffer(10, 64).length, 64);
	const large = takePartialBuffer(2_000_000, 3_000_000);
	t.equal(large.length, 3_000_000);
	givePartialBuffer(large);
	t.not(takePartialBuffer(2_000_000, 3_000_000), large);
});

t.test("what is kept unused is bounded", async (t) => {
	const all = Array.from({ length: 8 }, () => takePartialBuffer(1_000_000, 0));
	for (const buffer of all) givePartialBuffer(buffer);
	const again = Array.from({ length: 8 }, () =>
		takePartialBuffer(1_000_000, 0),
	);
	const kept = again.filter((buffer) => all.includes(buffer)).length;
	t.ok(kept >= 1 && kept <= 4, `${kept} MB`);
});

t.test("packets in parts of several connections do not mix", async (t) => {
	const noBudget = { charge: () => {}, release: () => {} };
	const payload = 20_000;
	const frames = [1, 2, 3].map((fill) => {
		const frame = Buffer.alloc(payload + 4, fill);
		frame.set([0x30, 0xa1, 0x9c, 0x01]); // 20001 bytes follow
		return Buffer.concat([frame, Buffer.from([fill])]);
	});
	const seen: Buffer[] = [];
	const sink = {
		onFrame: (buffer: Buffer, start: number, _body: number, end: number) => {
			seen.push(Buffer.from(buffer.subarray(start, end)));
			return true;
		},
	};
	const splitters = frames.map(() => new FrameSplitter(1_000_000, noBudget));
	for (let round = 0; round < 3; round++) {
		seen.length = 0;
		for (const [from, to] of [
			[0, 7000],
			[7000, 15_000],
			[15_000, 20_005],
		])
			for (const [at, splitter] of splitters.entries())
				splitter.push(frames[at]?.subarray(from, to) as Buffer, sink);
		t.equal(seen.length, frames.length);
		for (const [at, frame] of frames.entries())
			t.ok(seen[at]?.equals(frame), `frame ${at} in round ${round}`);
	}
});
