import mqttPacket, { type Packet } from "mqtt-packet";
import t from "tap";
import { encodeAcknowledgement, PINGRESP } from "../../../src/protocol/acks.ts";
import { PacketType } from "../../../src/protocol/constants.ts";
import {
	encodeAuth,
	encodeConnack,
	encodeDisconnect,
	encodeSuback,
	encodeUnsuback,
} from "../../../src/protocol/packets.ts";
import { frameOf } from "../../fixtures/frame-text.ts";

/** Reads a frame as a client does, with the library. */
function read(frame: Buffer, protocolVersion: number): Packet {
	const parser = mqttPacket.parser({ protocolVersion });
	const packets: Packet[] = [];
	parser.on("packet", (packet) => packets.push(packet));
	parser.on("error", (error: Error) => {
		throw error;
	});
	parser.parse(frame);
	return packets[0] as Packet;
}

t.test("encodes CONNACK", (t) => {
	t.same(encodeConnack(3, true, 0), frameOf("20 [ 0100 ]"));
	t.same(
		encodeConnack(3, false, 5, { reasonString: "no" }),
		frameOf("20 [ 0005 ]"),
	);
	t.same(
		encodeConnack(5, false, 0x87),
		frameOf("20 [ 0087 [ ] ]"),
		"[MQTT-2.2.2-1]",
	);
	const properties = {
		sessionExpiryInterval: 0xffffffff,
		receiveMaximum: 20,
		maximumQoS: 1,
		retainAvailable: false,
		maximumPacketSize: 1_000_000,
		assignedClientIdentifier: "auto-1",
		topicAliasMaximum: 10,
		reasonString: "größe",
		serverKeepAlive: 60,
		responseInformation: "r/",
		authenticationMethod: "M",
		authenticationData: Buffer.from("d"),
	} as const;
	const frame = encodeConnack(5, true, 0, properties);
	t.match(read(frame, 5), {
		cmd: "connack",
		sessionPresent: true,
		reasonCode: 0,
		properties,
	});
	t.end();
});

t.test(
	"encodes zero and false in CONNACK, which are not the same as absent",
	(t) => {
		t.same(
			encodeConnack(5, false, 0, {
				sessionExpiryInterval: 0,
				maximumQoS: 0,
				retainAvailable: false,
				topicAliasMaximum: 0,
				serverKeepAlive: 0,
			}),
			frameOf("20 [ 0000 [ 11 00000000 24 00 25 00 22 0000 13 0000 ] ]"),
		);
		t.end();
	},
);

t.test(
	"encodes SUBACK and UNSUBACK with the codes in order [MQTT-3.9.3-1] [MQTT-3.11.3-1]",
	(t) => {
		t.same(
			encodeSuback(258, [0, 1, 2, 0x80], 3),
			frameOf("90 [ 0102 00010280 ]"),
		);
		t.same(encodeSuback(258, [0, 0x87], 5), frameOf("90 [ 0102 [ ] 0087 ]"));
		t.same(
			encodeSuback(1, [0x8f], 5, "no"),
			frameOf("90 [ 0001 [ 1f s'no' ] 8f ]"),
		);
		t.same(encodeUnsuback(258, [0, 0x11], 3), frameOf("b0 [ 0102 ]"));
		t.same(encodeUnsuback(258, [0, 0x11], 5), frameOf("b0 [ 0102 [ ] 0011 ]"));
		const many = Array.from({ length: 500 }, (_, index) => index % 3);
		t.match(read(encodeSuback(7, many, 5), 5), { messageId: 7, granted: many });
		t.end();
	},
);

t.test("encodes DISCONNECT and AUTH", (t) => {
	t.match(read(encodeDisconnect(0x8e), 5), {
		cmd: "disconnect",
		reasonCode: 0x8e,
	});
	t.same(
		encodeDisconnect(0x9c, "why", { serverReference: "other" }),
		frameOf("e0 [ 9c [ 1f s'why' 1c s'other' ] ]"),
	);
	t.match(read(encodeDisconnect(0x81, "bad", {}), 5), {
		reasonCode: 0x81,
		properties: { reasonString: "bad" },
	});
	t.same(
		encodeAuth(0x18, "M", Buffer.from("data"), null),
		frameOf("f0 [ 18 [ 15 s'M' 16 s'data' ] ]"),
	);
	t.same(
		encodeAuth(0, "M", null, "ok"),
		frameOf("f0 [ 00 [ 15 s'M' 1f s'ok' ] ]"),
	);
	t.end();
});

t.test(
	"encodes acknowledgements, with a reason only where there is one to give",
	(t) => {
		const { Puback, Pubrec, Pubrel, Pubcomp } = PacketType;
		t.same(encodeAcknowledgement(Puback, 258, 0, 5), frameOf("40 [ 0102 ]"));
		t.same(
			encodeAcknowledgement(Puback, 258, 0x10, 5),
			frameOf("40 [ 0102 10 ]"),
		);
		t.same(
			encodeAcknowledgement(Puback, 258, 0x10, 3, "x"),
			frameOf("40 [ 0102 ]"),
		);
		t.same(
			encodeAcknowledgement(Pubrec, 1, 0x97, 5, "full"),
			frameOf("50 [ 0001 97 [ 1f s'full' ] ]"),
		);
		t.same(
			encodeAcknowledgement(Pubrel, 1, 0x92, 5),
			frameOf("62 [ 0001 92 ]"),
			"[MQTT-3.6.1-1]",
		);
		t.same(encodeAcknowledgement(Pubcomp, 1, 0, 3), frameOf("70 [ 0001 ]"));
		t.match(
			read(encodeAcknowledgement(Puback, 1, 0x87, 5, "x".repeat(300)), 5),
			{ properties: { reasonString: "x".repeat(300) } },
		);
		t.same(PINGRESP, frameOf("d0 [ ]"));
		t.end();
	},
);
