/** What our decoders of the other side make of it. */
import t from "tap";
import {
	decodeConnack,
	decodeSuback,
	encodeConnect,
	encodeSubscribe,
} from "../../../src/protocol/client-packets.ts";
import {
	decodeConnect,
	decodeSubscribe,
	encodeConnack,
	encodeSuback,
} from "../../../src/protocol/packets.ts";
import { ProtocolError } from "../../../src/protocol/protocol-error.ts";

for (const family of [3, 5] as const) {
	t.test(`CONNECT of family ${family} is what the broker reads`, async (t) => {
		const request = {
			family,
			clientId: "größe",
			cleanStart: false,
			keepAliveSeconds: 300,
			sessionExpirySeconds: 3600,
			username: "u",
			password: "p",
		};
		const frame = encodeConnect(request);
		t.match(decodeConnect(frame, 0, 2, frame.length), {
			protocolVersion: family === 5 ? 5 : 4,
			clientId: "größe",
			cleanStart: false,
			keepAliveSeconds: 300,
			sessionExpirySeconds: family === 5 ? 3600 : 0xffff_ffff,
			username: "u",
			password: Buffer.from("p"),
		});
		const bare = encodeConnect({ ...request, username: null, password: null });
		const read = decodeConnect(bare, 0, 2, bare.length);
		t.match(read, { username: null, password: null });
	});

	t.test(
		`SUBSCRIBE of family ${family} is what the broker reads`,
		async (t) => {
			const frame = encodeSubscribe(7, ["a/+", "#"], 1, family);
			t.match(decodeSubscribe(frame, 0, 2, frame.length, family), {
				packetId: 7,
				subscriptions: [
					{ filter: "a/+", qos: 1 },
					{ filter: "#", qos: 1 },
				],
			});
		},
	);

	t.test(`CONNACK and SUBACK of family ${family}`, async (t) => {
		const yes = encodeConnack(family, true, 0, { receiveMaximum: 12 });
		t.same(decodeConnack(yes, 0, 2, yes.length, family), {
			sessionPresent: true,
			code: 0,
			receiveMaximum: family === 5 ? 12 : 65_535,
		});
		const no = encodeConnack(family, false, 5);
		t.match(decodeConnack(no, 0, 2, no.length, family), { code: 5 });
		const suback = encodeSuback(7, [1, 0x80], family, "why");
		t.same(decodeSuback(suback, 2, suback.length, family), [1, 0x80]);
		t.throws(() => decodeConnack(yes, 0, 2, 3, family), ProtocolError);
		t.throws(() => decodeSuback(suback, 2, 3, family), ProtocolError);
	});
}
