import t from "tap";
import { decodeAcknowledgement } from "../../../src/protocol/acks.ts";
import type { Family } from "../../../src/protocol/messages.ts";
import {
	decodeSubscribe,
	decodeUnsubscribe,
	peekProtocolLevel,
} from "../../../src/protocol/packets.ts";
import { ProtocolError } from "../../../src/protocol/protocol-error.ts";
import { encodePublish, Publish } from "../../../src/protocol/publish.ts";
import { describeReason } from "../../../src/protocol/reason-codes.ts";
import { decodeFrame } from "../../fixtures/decode-frame.ts";
import { frameOf } from "../../fixtures/frame-text.ts";
import { invalidPackets, validPackets } from "../../fixtures/packets.ts";

function titleOf(name: string, verb: string, spec: string | undefined): string {
	return `${verb} ${name}${spec === undefined ? "" : ` [${spec}]`}`;
}

/** A decoded PUBLISH encoded again, field by field, in the order the broker uses. */
function encodeAgain(publish: Publish, family: Family): Buffer {
	return encodePublish(publish, {
		family,
		qos: publish.qos,
		retain: publish.retain,
		dup: publish.dup,
		packetId: publish.packetId,
		identifiers: [],
		expirySeconds: publish.expirySeconds,
		topicAlias: publish.topicAlias,
		omitTopic: publish.topic === "",
	});
}

for (const row of validPackets)
	t.test(titleOf(row.name, "decodes", row.spec), (t) => {
		const frame = frameOf(row.frame);
		const original = Buffer.from(frame);
		const packet = decodeFrame(frame, row.family);
		t.match(packet, row.packet);
		t.same(frame, original, "the frame is left as it is");
		if (packet instanceof Publish) {
			const again = encodeAgain(packet, row.family);
			t.equal(again.length, frame.length);
			t.match(decodeFrame(again, row.family), row.packet);
		} else {
			frame.fill(0xff);
			t.match(packet, row.packet, "nothing points into the frame");
		}
		t.end();
	});

t.test(
	"answers any beginning of a packet with a packet or a ProtocolError",
	(t) => {
		for (const row of validPackets) {
			const frame = frameOf(row.frame);
			for (let length = 2; length < Math.min(frame.length, 127); length++) {
				const piece = Buffer.from(frame.subarray(0, length));
				piece[1] = length - 2;
				try {
					decodeFrame(piece, row.family);
				} catch (error) {
					if (!(error instanceof ProtocolError)) throw error;
				}
			}
		}
		t.end();
	},
);

for (const row of invalidPackets)
	t.test(titleOf(row.name, "refuses", row.spec), (t) => {
		try {
			decodeFrame(frameOf(row.frame), row.family);
			t.fail("was accepted");
		} catch (error) {
			if (!(error instanceof ProtocolError)) throw error;
			t.equal(
				describeReason(error.reasonCode),
				describeReason(row.reasonCode),
				error.message,
			);
		}
		t.end();
	});

t.test(
	"accepts DUP on requests where the dialect allows it [v3.1 section 2.1]",
	(t) => {
		const subscribe = frameOf("8a [ 0001 s'a' 01 ]");
		t.match(decodeSubscribe(subscribe, 0, 2, subscribe.length, 3, true), {
			packetId: 1,
		});
		t.throws(
			() => decodeSubscribe(subscribe, 0, 2, subscribe.length, 3),
			ProtocolError,
		);
		const pubrel = frameOf("6a [ 0001 ]");
		t.match(decodeAcknowledgement(pubrel, 0, 2, pubrel.length, 3, true), {
			packetId: 1,
		});
		const puback = frameOf("48 [ 0001 ]");
		t.throws(
			() => decodeAcknowledgement(puback, 0, 2, puback.length, 3, true),
			ProtocolError,
		);
		const unsubscribe = frameOf("aa [ 0001 s'a' ]");
		t.match(decodeUnsubscribe(unsubscribe, 0, 2, unsubscribe.length, 3, true), {
			filters: ["a"],
		});
		t.end();
	},
);

t.test("finds the protocol level of a CONNECT that cannot be decoded", (t) => {
	const peek = (text: string) => {
		const frame = frameOf(text);
		return peekProtocolLevel(frame, 2, frame.length);
	};
	t.equal(peek("10 [ s'MQTT' 05 03 ]"), 5);
	t.equal(peek("10 [ s'MQTT' 04 ]"), 4);
	t.equal(peek("10 [ s'MQIsdp' 83 ]"), 3);
	t.equal(peek("10 [ s'MQTT' 06 ]"), 6);
	t.equal(peek("10 [ s'MQTT' ]"), 0);
	t.equal(peek("10 [ s'HTTP' 04 ]"), 0);
	t.equal(peek("10 [ s'constructor' 04 ]"), 0);
	t.equal(peek("10 [ 00 ]"), 0);
	t.end();
});
