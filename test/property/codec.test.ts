import fc from "fast-check";
import mqttPacket, { type Packet } from "mqtt-packet";
import t from "tap";
import type { QoS } from "../../src/protocol/constants.ts";
import { Fanout } from "../../src/protocol/fanout.ts";
import { FrameSplitter } from "../../src/protocol/frame-splitter.ts";
import type {
	ApplicationMessage,
	Connect,
	Family,
	Subscribe,
} from "../../src/protocol/messages.ts";
import { encodePublish, Publish } from "../../src/protocol/publish.ts";
import { isValidUtf8 } from "../../src/protocol/topic.ts";
import { decodeFrame } from "../fixtures/decode-frame.ts";
import { frameOf } from "../fixtures/frame-text.ts";
import { validPackets } from "../fixtures/packets.ts";
import { ownedCopy } from "../support/owned-copy.ts";

/** What MQTT calls a string: any Unicode but U+0000. */
const text = fc
	.string({ unit: "grapheme", maxLength: 20 })
	.filter((value) => !value.includes("\0"));
const topic = fc
	.string({ unit: "grapheme", minLength: 1, maxLength: 30 })
	.filter((value) => !/[\0+#]/.test(value));
const bytes = (maxLength: number) =>
	fc.uint8Array({ maxLength }).map((value) => Buffer.from(value));
const qos = fc.constantFrom<QoS>(0, 1, 2);
const family = fc.constantFrom<Family>(3, 5);

function encodedText(value: string): Buffer {
	const content = Buffer.from(value);
	return Buffer.concat([
		Buffer.from([content.length >> 8, content.length & 255]),
		content,
	]);
}

/** Forwardable properties as raw bytes, each at most once, user properties anywhere. */
const properties = fc
	.tuple(
		fc.subarray(["0101", "03000161", "080002722f", "0900020001"]),
		fc.array(fc.tuple(text, text), { maxLength: 4 }),
		fc.infiniteStream(fc.nat()),
	)
	.map(([single, pairs, random]) => {
		const parts = [
			...single.map((hex) => Buffer.from(hex, "hex")),
			...pairs.map(([name, value]) =>
				Buffer.concat([
					Buffer.from([0x26]),
					encodedText(name),
					encodedText(value),
				]),
			),
		];
		const keyed = parts.map((part) => ({
			part,
			key: random.next().value as number,
		}));
		return Buffer.concat(
			keyed.sort((one, two) => one.key - two.key).map(({ part }) => part),
		);
	});

const message: fc.Arbitrary<ApplicationMessage> = fc.record({
	topic,
	qos,
	retain: fc.boolean(),
	payload: bytes(400),
	properties,
	expirySeconds: fc.oneof(
		fc.constant(-1),
		fc.integer({ min: 0, max: 0xffffffff }),
	),
});

t.test(
	"a message survives encoding and decoding unchanged [MQTT-3.3.2-17] [MQTT-3.3.2-18]",
	(t) => {
		fc.assert(
			fc.property(message, (original) => {
				return t.strictSame(
					{ ...ownedCopy(Publish.fromMessage(original)) },
					{ ...original },
				);
			}),
			{ numRuns: 300 },
		);
		t.end();
	},
);

t.test("every layout of a fanout decodes to the same message", (t) => {
	fc.assert(
		fc.property(
			message,
			family,
			family,
			fc.boolean(),
			fc.nat({ max: 65534 }),
			fc.boolean(),
			(original, from, to, withPacketId, alias, isReplaced) => {
				const frame = encodePublish(original, {
					family: from,
					qos: original.qos,
					retain: original.retain,
					dup: false,
					packetId: 7,
					identifiers: [],
					expirySeconds: original.expirySeconds,
					topicAlias: from === 5 ? alias : 0,
					omitTopic: false,
				});
				const publish = decodeFrame(frame, from) as Publish;
				if (isReplaced) publish.topic = `${original.topic}x`;
				const layout = new Fanout(publish).layout(to, withPacketId);
				const sent = Buffer.from(
					layout.frame.subarray(layout.start, layout.end),
				);
				sent[0] = withPacketId ? 0x32 : 0x30;
				if (withPacketId)
					sent.writeUInt16BE(9, layout.packetIdOffset - layout.start);
				const arrived = decodeFrame(sent, to) as Publish;
				const hasProperties = from === 5 && to === 5;
				return t.strictSame(
					{
						...ownedCopy(arrived),
						packetId: arrived.packetId,
						alias: arrived.topicAlias,
					},
					{
						...original,
						topic: publish.topic,
						qos: withPacketId ? 1 : 0,
						retain: false,
						properties: hasProperties ? original.properties : Buffer.alloc(0),
						expirySeconds: hasProperties ? original.expirySeconds : -1,
						packetId: withPacketId ? 9 : 0,
						alias: 0,
					},
				);
			},
		),
		{ numRuns: 300 },
	);
	t.end();
});

t.test("any way to cut a stream into chunks gives the same frames", (t) => {
	const frames = validPackets.map((row) => frameOf(row.frame));
	fc.assert(
		fc.property(
			fc.array(fc.constantFrom(...frames), { maxLength: 12 }),
			fc.infiniteStream(fc.integer({ min: 1, max: 40 })),
			fc.infiniteStream(fc.boolean()),
			(sequence, sizes, stops) => {
				const stream = Buffer.concat(sequence);
				const seen: Buffer[] = [];
				let charged = 0;
				const splitter = new FrameSplitter(10_000, {
					charge: (n) => {
						charged += n;
					},
					release: (n) => {
						charged -= n;
					},
				});
				const sink = {
					onFrame(
						buffer: Buffer,
						start: number,
						_bodyStart: number,
						end: number,
					): boolean {
						seen.push(Buffer.from(buffer.subarray(start, end)));
						return stops.next().value as boolean;
					},
				};
				for (let at = 0; at < stream.length; ) {
					const next = Math.min(
						stream.length,
						at + (sizes.next().value as number),
					);
					const chunk = Buffer.from(stream.subarray(at, next));
					splitter.push(chunk, sink);
					chunk.fill(0xff);
					at = next;
					if (stops.next().value) splitter.resume(sink);
				}
				while (splitter.isStopped) splitter.resume(sink);
				return (
					Buffer.concat(seen).equals(stream) &&
					seen.length === sequence.length &&
					charged === 0 &&
					splitter.bufferedBytes === 0
				);
			},
		),
		{ numRuns: 500 },
	);
	t.pass("same frames");
	t.end();
});

t.test("CONNECT as the library writes it is decoded to what was meant", (t) => {
	const option = <T>(value: fc.Arbitrary<T>) =>
		fc.option(value, { nil: undefined });
	const connect = fc.record({
		protocolVersion: fc.constantFrom<3 | 4 | 5>(3, 4, 5),
		clientId: topic,
		clean: fc.boolean(),
		keepalive: fc.nat({ max: 65535 }),
		username: option(topic),
		password: option(bytes(20)),
		will: option(
			fc.record({ topic, payload: bytes(30), qos, retain: fc.boolean() }),
		),
		receiveMaximum: option(fc.integer({ min: 1, max: 65535 })),
		sessionExpiryInterval: option(fc.nat({ max: 0xffffffff })),
	});
	fc.assert(
		fc.property(connect, (wanted) => {
			const {
				protocolVersion,
				username,
				receiveMaximum,
				sessionExpiryInterval,
			} = wanted;
			const password = username === undefined ? undefined : wanted.password;
			const isFive = protocolVersion === 5;
			const packet = {
				cmd: "connect",
				protocolId: protocolVersion === 3 ? "MQIsdp" : "MQTT",
				...wanted,
				password,
				properties: isFive
					? { receiveMaximum, sessionExpiryInterval }
					: undefined,
			} as unknown as Packet;
			const decoded = decodeFrame(mqttPacket.generate(packet), 3) as Connect;
			const expiry = isFive
				? (sessionExpiryInterval ?? 0)
				: wanted.clean
					? 0
					: 0xffffffff;
			return t.match(decoded, {
				protocolVersion,
				clientId: wanted.clientId,
				cleanStart: wanted.clean,
				keepAliveSeconds: wanted.keepalive,
				username: username ?? null,
				password: password ?? null,
				will: wanted.will ?? null,
				receiveMaximum: isFive ? (receiveMaximum ?? 65535) : 65535,
				sessionExpirySeconds: expiry,
			});
		}),
		{ numRuns: 200 },
	);
	t.end();
});

t.test(
	"SUBSCRIBE as the library writes it is decoded to what was meant",
	(t) => {
		const request = fc
			.record({
				topic,
				qos,
				nl: fc.boolean(),
				rap: fc.boolean(),
				rh: fc.constantFrom(0, 1, 2),
			})
			.filter((one) => !one.topic.startsWith("$share/"));
		fc.assert(
			fc.property(
				family,
				fc.array(request, { minLength: 1, maxLength: 5 }),
				fc.integer({ min: 1, max: 65535 }),
				fc.nat({ max: 268_435_455 }),
				(family, subscriptions, messageId, identifier) => {
					const isFive = family === 5;
					const packet = {
						cmd: "subscribe",
						messageId,
						subscriptions,
						properties:
							isFive && identifier > 0
								? { subscriptionIdentifier: identifier }
								: undefined,
					} as Packet;
					const decoded = decodeFrame(
						mqttPacket.generate(packet, { protocolVersion: isFive ? 5 : 4 }),
						family,
					) as Subscribe;
					return t.strictSame(decoded, {
						packetId: messageId,
						subscriptionIdentifier: isFive ? identifier : 0,
						subscriptions: subscriptions.map((one) => ({
							filter: one.topic,
							qos: one.qos,
							noLocal: isFive && one.nl,
							retainAsPublished: isFive && one.rap,
							retainHandling: isFive ? one.rh : 0,
						})),
					});
				},
			),
			{ numRuns: 200 },
		);
		t.end();
	},
);

t.test("UTF-8 is judged as by a strict decoder", (t) => {
	const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
	const piece = fc.oneof(
		fc
			.string({ unit: "binary", maxLength: 3 })
			.map((value) => Buffer.from(value)),
		fc.uint8Array({ maxLength: 4 }).map((value) => Buffer.from(value)),
		fc
			.constantFrom("eda080", "c0af", "f4908080", "f0808080", "efbfbf", "00")
			.map((hex) => Buffer.from(hex, "hex")),
	);
	fc.assert(
		fc.property(fc.array(piece, { maxLength: 5 }), (pieces) => {
			const value = Buffer.concat(pieces);
			let isValid = !value.includes(0);
			try {
				decoder.decode(value);
			} catch {
				isValid = false;
			}
			return isValidUtf8(value, 0, value.length) === isValid;
		}),
		{ numRuns: 3000 },
	);
	t.pass("same judgement");
	t.end();
});
