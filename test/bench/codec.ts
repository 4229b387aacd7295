/**
 * What reading and writing a packet costs without sockets: cutting a chunk into packets,
 * decoding and encoding each kind. Payloads have 64 bytes, topics 10. A few seconds:
 *
 *     node test/bench/codec.ts
 */
import {
	decodeAcknowledgement,
	encodeAcknowledgement,
} from "../../src/protocol/acks.ts";
import { PacketType } from "../../src/protocol/constants.ts";
import { FrameSplitter } from "../../src/protocol/frame-splitter.ts";
import type { Family } from "../../src/protocol/messages.ts";
import {
	decodePublish,
	encodePublish,
	TopicMemory,
} from "../../src/protocol/publish.ts";
import { publishFrame } from "./load-connection.ts";
import { timePerCall } from "./micro-report.ts";

const CALLS = 500_000;
const PACKETS = 800;
const payload = Buffer.alloc(64, 0x61);
const noBudget = { charge: () => {}, release: () => {} };

/** User property and content type of the feature table. */
const properties = Buffer.from([
	...[0x26, 0, 4, ...Buffer.from("unit"), 0, 7, ...Buffer.from("celsius")],
	...[0x03, 0, 10, ...Buffer.from("text/plain")],
]);

function frameFor(family: Family, qos: 0 | 1, own: Buffer): Buffer {
	const message = {
		topic: "bench/0000",
		qos,
		retain: false,
		payload,
		properties: own,
		expirySeconds: -1,
	};
	return encodePublish(message, {
		family,
		qos,
		retain: false,
		dup: false,
		packetId: 1,
		identifiers: [],
		expirySeconds: -1,
		topicAlias: 0,
		omitTopic: false,
	});
}

const none = Buffer.alloc(0);
const kinds: readonly (readonly [string, Family, 0 | 1, Buffer])[] = [
	["3.1.1, QoS 0", 3, 0, none],
	["3.1.1, QoS 1", 3, 1, none],
	["5, QoS 1", 5, 1, none],
	["5, QoS 1, two properties", 5, 1, properties],
];

const one = publishFrame("bench/0000", 1, payload).frame;
const chunk = Buffer.concat(Array.from({ length: PACKETS }, () => one));
let cut = 0;
const splitter = new FrameSplitter(1_000_000, noBudget);
const sink = {
	onFrame: () => {
		cut++;
		return true;
	},
};
timePerCall("cut one of 800 packets out of a chunk", CALLS, () => {
	for (cut = 0; cut < CALLS; ) splitter.push(chunk, sink);
});
const half = one.length >> 1;
const parts = [one.subarray(0, half), one.subarray(half)] as const;
timePerCall("cut a packet that comes in two chunks", CALLS, () => {
	for (cut = 0; cut < CALLS; ) {
		splitter.push(parts[0], sink);
		splitter.push(parts[1], sink);
	}
});
for (const [name, family, qos, own] of kinds) {
	const frame = frameFor(family, qos, own);
	const memory = new TopicMemory();
	timePerCall(`decode PUBLISH, ${name}`, CALLS, () => {
		for (let i = 0; i < CALLS; i++)
			decodePublish(frame, 0, 2, frame.length, family, memory);
	});
}
const plain = frameFor(3, 1, none);
timePerCall("decode PUBLISH, 3.1.1, QoS 1, another topic", CALLS, () => {
	for (let i = 0; i < CALLS; i++)
		decodePublish(plain, 0, 2, plain.length, 3, null);
});
for (const [name, family, qos, own] of kinds)
	timePerCall(`encode PUBLISH, ${name}`, CALLS, () => {
		for (let i = 0; i < CALLS; i++) frameFor(family, qos, own);
	});
const puback = encodeAcknowledgement(PacketType.Puback, 7, 0, 3);
timePerCall("decode PUBACK", CALLS, () => {
	for (let i = 0; i < CALLS; i++)
		decodeAcknowledgement(puback, 0, 2, puback.length, 3);
});
timePerCall("encode PUBACK", CALLS, () => {
	for (let i = 0; i < CALLS; i++)
		encodeAcknowledgement(PacketType.Puback, i & 0xffff || 1, 0, 3);
});
