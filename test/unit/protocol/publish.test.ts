import t from "tap";
import type {
	ApplicationMessage,
	Family,
} from "../../../src/protocol/messages.ts";
import {
	decodePublish,
	encodePublish,
	Publish,
	type PublishOptions,
	TopicMemory,
} from "../../../src/protocol/publish.ts";
import { ReasonCode } from "../../../src/protocol/reason-codes.ts";
import { decodeFrame } from "../../fixtures/decode-frame.ts";
import { frameOf } from "../../fixtures/frame-text.ts";
import { withReason } from "../../fixtures/reason.ts";
import { ownedCopy } from "../../support/owned-copy.ts";

function publishOf(text: string, family: Family): Publish {
	return decodeFrame(frameOf(text), family) as Publish;
}

const message: ApplicationMessage = {
	topic: "a/b",
	qos: 1,
	retain: true,
	payload: Buffer.from("hello"),
	properties: frameOf("26 s'z' s'1' 01 01 26 s'a' s'2'"),
	expirySeconds: 60,
};
const plain: PublishOptions = {
	family: 5,
	qos: 0,
	retain: false,
	dup: false,
	packetId: 0,
	identifiers: [],
	expirySeconds: -1,
	topicAlias: 0,
	omitTopic: false,
};

t.test(
	"keeps all properties but alias and expiry, in their order [MQTT-3.3.2-17] [MQTT-3.3.2-18]",
	(t) => {
		const alias = "23 0007";
		const expiry = "02 0000000a";
		const user = (name: string) => `26 s'${name}' s'v'`;
		const orders = [
			[alias, expiry],
			[expiry, alias],
			[alias],
			[expiry],
			[],
			[user("1"), alias, user("2"), expiry, user("3")],
			[user("1"), expiry, user("2"), alias, user("3")],
			[expiry, user("1")],
			[user("1"), alias],
		];
		for (const order of orders) {
			const publish = publishOf(`30 [ s'a' [ ${order.join(" ")} ] 'x' ]`, 5);
			const wanted = frameOf(
				order.filter((part) => part !== alias && part !== expiry).join(" "),
			);
			const owned = ownedCopy(publish);
			t.same(owned.properties, wanted);
			t.same(owned.payload, Buffer.from("x"));
			t.equal(owned.expirySeconds, order.includes(expiry) ? 10 : -1);
			t.equal(publish.topicAlias, order.includes(alias) ? 7 : 0);
		}
		t.end();
	},
);

t.test("a topic that is set counts as replaced", (t) => {
	const publish = publishOf("30 [ s'' [ 23 0001 ] 'x' ]", 5);
	t.equal(publish.topicReplaced, false);
	publish.topic = "resolved";
	t.equal(publish.topic, "resolved");
	t.equal(publish.topicReplaced, true);
	t.equal(ownedCopy(publish).topic, "resolved");
	t.equal(publish.payloadLength, 1);
	t.end();
});

t.test("makes a packet from a message", (t) => {
	const publish = Publish.fromMessage(message);
	t.match(publish, {
		family: 5,
		topic: "a/b",
		qos: 1,
		retain: true,
		dup: false,
		expirySeconds: 60,
		payload: Buffer.from("hello"),
	});
	t.same(ownedCopy(publish), message);
	t.equal(publish.topicReplaced, false);
	t.throws(
		() => Publish.fromMessage({ ...message, topic: "a/#" }),
		withReason(ReasonCode.TopicNameInvalid),
	);
	t.throws(
		() => Publish.fromMessage({ ...message, topic: "x".repeat(65_536) }),
		withReason(ReasonCode.TopicNameInvalid),
	);
	t.throws(
		() => Publish.fromMessage({ ...message, topic: "" }),
		withReason(ReasonCode.ProtocolError),
	);
	t.end();
});

t.test("encodes what it is told, for one receiver", (t) => {
	const encode = (
		options: Partial<PublishOptions>,
		from: ApplicationMessage | Publish = message,
	) => encodePublish(from, { ...plain, ...options });
	t.same(encode({ family: 3 }), frameOf("30 [ s'a/b' 'hello' ]"));
	t.same(
		encode({ family: 3, qos: 1, packetId: 258, retain: true }),
		frameOf("33 [ s'a/b' 0102 'hello' ]"),
		"[MQTT-2.2.1-2]",
	);
	const own = "26 s'z' s'1' 01 01 26 s'a' s'2'";
	t.same(encode({}), frameOf(`30 [ s'a/b' [ ${own} ] 'hello' ]`));
	t.same(
		encode({
			qos: 2,
			dup: true,
			packetId: 3,
			identifiers: [1, 16384],
			expirySeconds: 9,
			topicAlias: 2,
			omitTopic: true,
		}),
		frameOf(
			`3c [ s'' 0003 [ 23 0002 02 00000009 0b 01 0b 808001 ${own} ] 'hello' ]`,
		),
		"[MQTT-3.3.4-4] [MQTT-3.3.2-6]",
	);
	const passing = publishOf(
		`30 [ s'x' [ 23 0009 26 s'k' s'v' 02 00000020 ] 'hello' ]`,
		5,
	);
	t.same(
		encode({ identifiers: [5] }, passing),
		frameOf("30 [ s'x' [ 0b 05 26 s'k' s'v' ] 'hello' ]"),
	);
	t.same(
		encode({ family: 3, identifiers: [5] }, passing),
		frameOf("30 [ s'x' 'hello' ]"),
	);
	t.end();
});

t.test("refuses to encode more than MQTT can express", (t) => {
	const huge = { ...message, payload: Buffer.alloc(268_435_455) };
	t.throws(
		() => encodePublish(huge, plain),
		withReason(ReasonCode.PacketTooLarge),
	);
	t.end();
});

t.test("the topic memory gives what decoding gives", (t) => {
	const memory = new TopicMemory();
	const topics = [
		"a/b",
		"a/b",
		"a/c",
		"a/b",
		"größe",
		"größe",
		"x".repeat(255),
		"x".repeat(255),
		"y".repeat(300),
		"y".repeat(300),
		"a",
		"a",
		"größf",
		"a/b",
	];
	for (const topic of topics) {
		const frame = frameOf(`30 [ s'${topic}' 'x' ]`);
		const bodyStart = frame.length - topicBytes(topic) - 3;
		const publish = decodePublish(frame, 0, bodyStart, frame.length, 3, memory);
		t.equal(publish.topic, topic);
		frame.fill(0);
	}
	const bad = frameOf("30 [ s'a/#' 'x' ]");
	t.throws(
		() => decodePublish(bad, 0, 2, bad.length, 3, memory),
		withReason(ReasonCode.TopicNameInvalid),
	);
	const empty = frameOf("30 [ s'' [ 23 0001 ] ]");
	t.equal(decodePublish(empty, 0, 2, empty.length, 5, memory).topic, "");
	t.end();
});

function topicBytes(topic: string): number {
	return Buffer.byteLength(topic);
}
