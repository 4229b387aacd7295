import t from "tap";
import { Fanout } from "../../../src/protocol/fanout.ts";
import { type Layout, REFERENCE_BYTES } from "../../../src/protocol/layout.ts";
import type { Family } from "../../../src/protocol/messages.ts";
import {
	type Publish,
	publishFirstByte,
} from "../../../src/protocol/publish.ts";
import { ReasonCode } from "../../../src/protocol/reason-codes.ts";
import { decodeFrame } from "../../fixtures/decode-frame.ts";
import { frameOf } from "../../fixtures/frame-text.ts";
import { withReason } from "../../fixtures/reason.ts";

function fanoutOf(text: string, family: Family): Fanout {
	return new Fanout(decodeFrame(frameOf(text), family) as Publish);
}

/** What the outbox does while copying. */
function sent(layout: Layout, firstByte: number, packetId: number): Buffer {
	const frame = Buffer.from(layout.frame.subarray(layout.start, layout.end));
	frame[0] = firstByte;
	if (layout.packetIdOffset !== -1)
		frame.writeUInt16BE(packetId, layout.packetIdOffset - layout.start);
	return frame;
}

t.test("uses the frame that came in where it is already right", (t) => {
	for (const [text, family, withPacketId] of [
		["30 [ s'a/b' 'x' ]", 3, false],
		["32 [ s'a/b' 0001 'x' ]", 3, true],
		["30 [ s'a/b' [ 26 s'k' s'v' 02 00000005 ] 'x' ]", 5, false],
		["35 [ s'a/b' 0001 [ ] 'x' ]", 5, true],
	] as const) {
		const fanout = fanoutOf(text, family);
		const layout = fanout.layout(family, withPacketId);
		t.equal(layout, fanout.publish);
		t.equal(layout.packetIdOffset, withPacketId ? 7 : -1);
		t.equal(fanout.layout(family, withPacketId), layout, "asked again");
	}
	t.end();
});

t.test("encodes every other layout once", (t) => {
	const properties = "26 s'k' s'v' 01 01";
	const cases = [
		["32 [ s'a' 0009 'x' ]", 3, 3, false, "30 [ s'a' 'x' ]"],
		["32 [ s'a' 0009 'x' ]", 3, 5, false, "30 [ s'a' [ ] 'x' ]"],
		["32 [ s'a' 0009 'x' ]", 3, 5, true, "32 [ s'a' 0102 [ ] 'x' ]"],
		["30 [ s'a' 'x' ]", 3, 3, true, "32 [ s'a' 0102 'x' ]"],
		[
			`32 [ s'a' 0009 [ ${properties} ] 'x' ]`,
			5,
			3,
			true,
			"32 [ s'a' 0102 'x' ]",
		],
		[`32 [ s'a' 0009 [ ${properties} ] 'x' ]`, 5, 3, false, "30 [ s'a' 'x' ]"],
		[
			`32 [ s'a' 0009 [ ${properties} ] 'x' ]`,
			5,
			5,
			false,
			`30 [ s'a' [ ${properties} ] 'x' ]`,
		],
		[
			`30 [ s'a' [ 23 0001 ${properties} 02 00000005 ] 'x' ]`,
			5,
			5,
			false,
			`30 [ s'a' [ 02 00000005 ${properties} ] 'x' ]`,
		],
	] as const;
	for (const [from, family, toFamily, withPacketId, to] of cases) {
		const fanout = fanoutOf(from, family);
		const layout = fanout.layout(toFamily, withPacketId);
		const first = publishFirstByte(withPacketId ? 1 : 0, false, false);
		t.same(sent(layout, first, 0x102), frameOf(to));
		t.not(layout.frame, fanout.publish.frame);
		t.equal(fanout.layout(toFamily, withPacketId), layout, "asked again");
	}
	t.end();
});

t.test("writes the topic an alias stands for", (t) => {
	const fanout = fanoutOf("32 [ s'' 0007 [ 23 0001 ] 'x' ]", 5);
	fanout.publish.topic = "größe";
	t.same(
		sent(fanout.layout(5, true), 0x32, 7),
		frameOf("32 [ s'größe' 0007 [ ] 'x' ]"),
	);
	t.same(
		sent(fanout.layout(3, false), 0x30, 0),
		frameOf("30 [ s'größe' 'x' ]"),
	);
	fanout.publish.topic = "x".repeat(65_536);
	t.throws(
		() => fanout.layout(3, true),
		withReason(ReasonCode.TopicNameInvalid),
	);
	t.end();
});

t.test("large layouts own their bytes", (t) => {
	const payload = "p".repeat(REFERENCE_BYTES);
	const fanout = fanoutOf(`32 [ s'a' 0001 '${payload}' ]`, 3);
	const layout = fanout.layout(3, true);
	const original = Buffer.from(fanout.publish.frame);
	fanout.publish.frame.fill(0);
	t.same(sent(layout, 0x32, 1), original);
	t.equal(fanout.layout(3, true), layout, "asked again");
	t.end();
});

t.test("first bytes of PUBLISH", (t) => {
	t.equal(publishFirstByte(0, false, false), 0x30);
	t.equal(publishFirstByte(1, true, false), 0x33);
	t.equal(publishFirstByte(2, false, true), 0x3c);
	t.end();
});
