import t from "tap";
import {
	InboundAliases,
	OutboundAliases,
} from "../../../src/connection/topic-aliases.ts";
import { ProtocolError } from "../../../src/protocol/protocol-error.ts";
import { ReasonCode } from "../../../src/protocol/reason-codes.ts";

function refusalOf(action: () => void): number {
	try {
		action();
	} catch (error) {
		if (error instanceof ProtocolError) return error.reasonCode;
		throw error;
	}
	return 0;
}

t.test(
	"an alias stands for the topic it was last given with [MQTT-3.3.2-12]",
	async (t) => {
		const aliases = new InboundAliases(2);
		t.equal(aliases.resolve(1, "a"), "a");
		t.equal(aliases.resolve(2, "b"), "b");
		t.equal(aliases.resolve(1, ""), "a");
		t.equal(aliases.resolve(1, "c"), "c");
		t.equal(aliases.resolve(1, ""), "c");
		t.equal(aliases.resolve(2, ""), "b");
	},
);

t.test("an alias above the maximum is refused [MQTT-3.3.2-9]", async (t) => {
	const aliases = new InboundAliases(2);
	t.equal(
		refusalOf(() => aliases.resolve(3, "a")),
		ReasonCode.TopicAliasInvalid,
	);
});

t.test("an alias that was never set is a protocol error", async (t) => {
	const aliases = new InboundAliases(2);
	t.equal(
		refusalOf(() => aliases.resolve(1, "")),
		ReasonCode.ProtocolError,
	);
});

t.test(
	"the first topics get the aliases there are [MQTT-3.1.2-26] [MQTT-3.3.2-8]",
	async (t) => {
		const aliases = new OutboundAliases(2);
		t.equal(aliases.aliasFor("a"), 1);
		t.notOk(aliases.isKnown);
		t.equal(aliases.aliasFor("a"), 1);
		t.ok(aliases.isKnown);
		t.equal(aliases.aliasFor("b"), 2);
		t.notOk(aliases.isKnown);
		t.equal(aliases.aliasFor("c"), 0);
		t.notOk(aliases.isKnown);
	},
);

t.test(
	"an alias that could not be told is given to the next topic",
	async (t) => {
		const aliases = new OutboundAliases(2);
		aliases.aliasFor("a");
		aliases.aliasFor("large");
		aliases.forget("large");
		t.equal(aliases.aliasFor("b"), 2);
		aliases.aliasFor("a");
		aliases.forget("a");
		t.equal(aliases.aliasFor("a"), 1, "one that was told stays");
		t.ok(aliases.isKnown);
	},
);
