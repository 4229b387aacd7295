import t from "tap";
import {
	dialectOf,
	mqtt5,
	mqtt31,
	mqtt311,
} from "../../../src/protocol/dialect.ts";
import { ReasonCode } from "../../../src/protocol/reason-codes.ts";

t.test(
	"there is one dialect for each version, and nobody can change it",
	(t) => {
		t.equal(dialectOf(3), mqtt31);
		t.equal(dialectOf(4), mqtt311);
		t.equal(dialectOf(5), mqtt5);
		for (const dialect of [mqtt31, mqtt311, mqtt5])
			t.ok(Object.isFrozen(dialect));
		t.same([mqtt31.family, mqtt311.family, mqtt5.family], [3, 3, 5]);
		t.same(
			[mqtt31.emptyClientId, mqtt311.emptyClientId, mqtt5.emptyClientId],
			["never", "clean", "always"],
		);
		t.end();
	},
);

t.test("maps reasons to the return codes of 3.x", (t) => {
	for (const dialect of [mqtt31, mqtt311]) {
		t.equal(dialect.connackCode(ReasonCode.Success), 0);
		t.equal(dialect.connackCode(ReasonCode.UnsupportedProtocolVersion), 1);
		t.equal(dialect.connackCode(ReasonCode.ClientIdentifierNotValid), 2);
		t.equal(dialect.connackCode(ReasonCode.QuotaExceeded), 3);
		t.equal(dialect.connackCode(ReasonCode.BadUserNameOrPassword), 4);
		t.equal(dialect.connackCode(ReasonCode.NotAuthorized), 5);
		t.equal(
			dialect.connackCode(ReasonCode.MalformedPacket),
			-1,
			"closes without an answer",
		);
	}
	t.equal(
		mqtt5.connackCode(ReasonCode.NotAuthorized),
		ReasonCode.NotAuthorized,
	);
	t.end();
});

t.test(
	"maps failures in SUBACK [v3.1 section 3.9] [v3.1.1 MQTT-3.9.3-2]",
	(t) => {
		t.equal(mqtt31.subackCode(ReasonCode.NotAuthorized, 1), 1);
		t.equal(mqtt31.subackCode(0, 1), 0);
		t.equal(mqtt311.subackCode(ReasonCode.NotAuthorized, 1), 0x80);
		t.equal(mqtt311.subackCode(2, 2), 2);
		t.equal(
			mqtt5.subackCode(ReasonCode.NotAuthorized, 1),
			ReasonCode.NotAuthorized,
		);
		t.end();
	},
);
