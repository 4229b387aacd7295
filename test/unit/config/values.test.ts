import t from "tap";
import {
	describeRange,
	formatValue,
	parseAddress,
	parseValue,
	ValueError,
} from "../../../src/config/values.ts";
import type {
	FieldSpec,
	FieldType,
} from "../../../src/platform/config-field.ts";

function field(type: FieldType, more: Partial<FieldSpec> = {}): FieldSpec {
	return { key: "k", type, default: "", runtime: true, doc: "Doc.", ...more };
}

t.test(
	"sizes have units of 1024 bytes and a bare number is bytes",
	async (t) => {
		const size = field("size");
		for (const [text, bytes] of [
			["10MB", 10_485_760],
			["64 KB", 65_536],
			["1gb", 1_073_741_824],
			["512B", 512],
			["100", 100],
			["1.5KB", 1536],
		] as const) {
			t.equal(parseValue(size, text), bytes, text);
		}
		for (const text of [
			"",
			"MB",
			"-1KB",
			"1XB",
			"1 KB 2",
			"1e3",
			"constructor",
		]) {
			t.throws(() => parseValue(size, text), ValueError, text);
		}
	},
);

t.test("times become milliseconds and a bare number is seconds", async (t) => {
	const duration = field("duration");
	for (const [text, ms] of [
		["20s", 20_000],
		["500ms", 500],
		["5m", 300_000],
		["5min", 300_000],
		["1h", 3_600_000],
		["2d", 172_800_000],
		["1w", 604_800_000],
		["1y", 31_536_000_000],
		["20", 20_000],
		["0.5s", 500],
	] as const) {
		t.equal(parseValue(duration, text), ms, text);
	}
});

t.test("m is a month where VerneMQ has it so [VD065]", async (t) => {
	const expiry = field("duration", { monthly: true, noLimit: ["never"] });
	t.equal(parseValue(expiry, "1m"), 30 * 86_400_000);
	t.equal(parseValue(expiry, "1min"), 60_000);
	t.equal(parseValue(expiry, "1w"), 7 * 86_400_000);
	t.equal(parseValue(expiry, "never"), Number.POSITIVE_INFINITY);
	t.equal(parseValue(expiry, "NEVER"), Number.POSITIVE_INFINITY);
});

t.test("a field may take bare numbers as milliseconds [VD130]", async (t) => {
	t.equal(parseValue(field("duration", { unit: "ms" }), "20000"), 20_000);
});

t.test("seconds stay seconds", async (t) => {
	const seconds = field("seconds", { max: 65_535 });
	t.equal(parseValue(seconds, "2min"), 120);
	t.equal(parseValue(seconds, "90"), 90);
	t.throws(() => parseValue(seconds, "1d"), /from|to 65535s/);
});

t.test("flags are on and off in any usual spelling", async (t) => {
	for (const text of ["on", "ON", "true", "yes"]) {
		t.equal(parseValue(field("flag"), text), true, text);
	}
	for (const text of ["off", "false", "no"]) {
		t.equal(parseValue(field("flag"), text), false, text);
	}
	t.throws(() => parseValue(field("flag"), "maybe"), /on or off/);
	t.throws(() => parseValue(field("flag"), "toString"), ValueError);
});

t.test("integers keep to their range and say it", async (t) => {
	const qos = field("integer", { min: 0, max: 2 });
	t.equal(parseValue(qos, "2"), 2);
	t.equal(parseValue(qos, "-0"), 0);
	t.throws(() => parseValue(qos, "3"), /a whole number from 0 to 2/);
	t.throws(() => parseValue(qos, "1.5"), ValueError);
	t.throws(() => parseValue(qos, ""), ValueError);
	t.throws(() => parseValue(field("integer"), "-1"), ValueError);
});

t.test(
	"each key says which spellings mean no limit [VD061] [VD062]",
	async (t) => {
		const zero = field("integer", { min: 1, noLimit: ["unlimited", "0"] });
		const minusOne = field("integer", { noLimit: ["unlimited", "-1"] });
		t.equal(parseValue(zero, "0"), Number.POSITIVE_INFINITY);
		t.throws(() => parseValue(zero, "-1"), /unlimited or 0 for no limit/);
		t.equal(parseValue(minusOne, "-1"), Number.POSITIVE_INFINITY);
		t.equal(parseValue(minusOne, "0"), 0);
		t.equal(formatValue(zero, Number.POSITIVE_INFINITY), "unlimited");
	},
);

t.test("choices and lists allow their words only", async (t) => {
	const choice = field("choice", {
		values: ["on", "off", "loopback"],
		aliases: { true: "on" },
	});
	t.equal(parseValue(choice, "Loopback"), "loopback");
	t.equal(parseValue(choice, "true"), "on");
	t.throws(() => parseValue(choice, "elsewhere"), /one of on, off, loopback/);
	const list = field("list", { values: ["3", "4", "5"] });
	t.same(parseValue(list, "3, 5,3"), ["3", "5"]);
	t.same(parseValue(list, "[4,5]"), ["4", "5"]);
	t.throws(() => parseValue(list, "3,6"), /some of 3, 4, 5/);
	t.throws(() => parseValue(list, ","), ValueError);
});

t.test("addresses are host and port, v6 in brackets", async (t) => {
	t.same(parseAddress("127.0.0.1:1883"), { host: "127.0.0.1", port: 1883 });
	t.same(parseAddress("[::1]:0"), { host: "::1", port: 0 });
	t.same(parseAddress("[fe80::1%eth0]:1883"), {
		host: "fe80::1%eth0",
		port: 1883,
	});
	t.same(parseAddress("gateway.local:1883"), {
		host: "gateway.local",
		port: 1883,
	});
	for (const text of [
		"1883",
		"::1:1883",
		"[::1]",
		"300.1.1.1:1883",
		"[1.2.3.4]:1883",
		"host:70000",
		"host:port",
		"a b:1",
		"-x:1",
		"[]:1",
		"",
	]) {
		t.throws(() => parseAddress(text), ValueError, text);
	}
	const addresses = field("addresses");
	t.same(parseValue(addresses, "127.0.0.1:1, [::1]:1"), [
		"127.0.0.1:1",
		"[::1]:1",
	]);
	t.same(parseValue(addresses, "off"), []);
	t.equal(formatValue(addresses, []), "off");
});

t.test("values are shown in the largest unit that fits", async (t) => {
	t.equal(formatValue(field("duration"), 90_000), "90s");
	t.equal(formatValue(field("duration"), 86_400_000), "1d");
	t.equal(formatValue(field("duration"), 1500), "1500ms");
	t.equal(formatValue(field("duration"), 0), "0");
	t.equal(formatValue(field("size"), 11 * 1024 ** 2), "11MB");
	t.equal(formatValue(field("size"), 1025), "1025B");
	t.equal(formatValue(field("flag"), true), "on");
	t.equal(formatValue(field("list"), ["a", "b"]), "a, b");
});

t.test("every type of field can say what it allows", async (t) => {
	const types: FieldType[] = ["flag", "integer", "duration", "seconds", "size"];
	types.push("choice", "list", "addresses", "text", "path");
	for (const type of types) t.match(describeRange(field(type)), /\w+/, type);
});
