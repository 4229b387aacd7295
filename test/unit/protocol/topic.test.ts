import t from "tap";
import {
	checkTopicFilter,
	checkTopicName,
	isValidUtf8,
	levelCount,
	matches,
	parseShared,
} from "../../../src/protocol/topic.ts";

t.test("accepts topic names of all kinds", (t) => {
	for (const name of [
		"a",
		"/",
		"//",
		"a/b/c",
		"/a",
		"a/",
		"$SYS/x",
		"größe/日本",
		"\u{1f600}",
		"a b",
		"\u{feff}",
		"\u{ffff}",
	])
		t.equal(checkTopicName(name), null, name);
	t.equal(checkTopicName("x".repeat(65_535)), null);
	t.end();
});

t.test("says what is wrong with a topic name", (t) => {
	t.equal(checkTopicName(""), "is empty", "[MQTT-4.7.3-1]");
	t.equal(checkTopicName("a/#"), "contains a wildcard", "[MQTT-3.3.2-2]");
	t.equal(checkTopicName("a+b"), "contains a wildcard", "[MQTT-4.7.0-1]");
	t.equal(checkTopicName("a\0"), "contains U+0000", "[MQTT-4.7.3-2]");
	t.equal(checkTopicName("\ud800"), "is not valid Unicode", "[MQTT-1.5.4-1]");
	t.equal(
		checkTopicName("é".repeat(32_768)),
		"is longer than 65535 bytes",
		"[MQTT-4.7.3-3]",
	);
	t.equal(checkTopicName("a/b/c", 2), "has 3 levels, the limit is 2");
	t.equal(checkTopicName("a/b", 2), null);
	t.end();
});

t.test("accepts topic filters", (t) => {
	for (const filter of [
		"#",
		"+",
		"/",
		"+/+",
		"/+",
		"a/#",
		"a/+/b",
		"+/a/#",
		"$SYS/#",
		"$share",
		"$shared/x",
		"$share/g/#",
		"$share/g//",
		"$share/g/a/+",
	])
		t.equal(checkTopicFilter(filter), null, filter);
	t.end();
});

t.test(
	"says what is wrong with a topic filter [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.8.2-1] [MQTT-4.8.2-2]",
	(t) => {
		const inside = "has a wildcard inside a level";
		const cases: Array<[string, string]> = [
			["", "is empty"],
			["a#", inside],
			["a/b#", inside],
			["a+", inside],
			["+a", inside],
			["a/+b/c", inside],
			["++", inside],
			["#/a", "has a # that is not its last character"],
			["a/#/b", "has a # that is not its last character"],
			["##", "has a # that is not its last character"],
			["a\0b", "contains U+0000"],
			["$share/", "has an empty share name"],
			["$share//a", "has an empty share name"],
			["$share/g", "has no topic filter behind its share name"],
			["$share/g/", "has no topic filter behind its share name"],
			["$share/g+/a", "has a wildcard in its share name"],
			["$share/#/a", "has a wildcard in its share name"],
			["$share/#", "has a wildcard in its share name"],
			["$share/g/a#", inside],
			["$share/\0/a", "contains U+0000"],
		];
		for (const [filter, problem] of cases)
			t.equal(checkTopicFilter(filter), problem, JSON.stringify(filter));
		t.equal(checkTopicFilter("$share/g/a/b", 2), null);
		t.equal(
			checkTopicFilter("$share/g/a/b/c", 2),
			"has 3 levels, the limit is 2",
		);
		t.end();
	},
);

t.test("takes shared filters apart [MQTT-4.8.2-1]", (t) => {
	t.same(parseShared("$share/group/a/#"), { group: "group", filter: "a/#" });
	t.same(parseShared("$share/group//"), { group: "group", filter: "/" });
	for (const filter of [
		"a/b",
		"$share",
		"$share/g",
		"$share/g/",
		"$share//a",
		"$SHARE/g/a",
	])
		t.equal(parseShared(filter), null, filter);
	t.end();
});

t.test(
	"matches as the standard says [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.2-1] [MQTT-4.7.3-4]",
	(t) => {
		const yes: Array<[string, string]> = [
			["a/b", "a/b"],
			["#", "a"],
			["#", "a/b/c"],
			["a/#", "a"],
			["a/#", "a/b/c"],
			["a/#", "a/"],
			["+", "a"],
			["a/+", "a/"],
			["+/+", "/a"],
			["/+", "/a"],
			["a/+/c", "a/b/c"],
			["$SYS/#", "$SYS/x"],
			["$SYS/+", "$SYS/x"],
			["+/$x", "a/$x"],
		];
		const no: Array<[string, string]> = [
			["a/b", "a/b/c"],
			["a/b/c", "a/b"],
			["+", "/a"],
			["+", "a/b"],
			["a/+", "a"],
			["a/+", "a/b/c"],
			["#", "$SYS"],
			["+/x", "$SYS/x"],
			["a", "A"],
			["a/#", "ab"],
			["/a", "a"],
			["é", "e\u0301"],
		];
		for (const [filter, topic] of yes)
			t.equal(matches(filter, topic), true, `${filter} ${topic}`);
		for (const [filter, topic] of no)
			t.equal(matches(filter, topic), false, `${filter} ${topic}`);
		t.end();
	},
);

t.test("counts levels", (t) => {
	t.equal(levelCount("a"), 1);
	t.equal(levelCount("/"), 2);
	t.equal(levelCount("a/b/c"), 3);
	t.end();
});

t.test(
	"checks UTF-8 as MQTT wants it [MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT-1.5.4-3]",
	(t) => {
		const check = (hex: string) => {
			const bytes = Buffer.from(hex, "hex");
			return isValidUtf8(bytes, 0, bytes.length);
		};
		for (const hex of [
			"",
			"61",
			"c280",
			"dfbf",
			"e0a080",
			"ed9fbf",
			"ee8080",
			"efbbbf",
			"efbfbf",
			"f0908080",
			"f48fbfbf",
			"61c3a961",
			"01",
			"7f",
		])
			t.equal(check(hex), true, hex);
		for (const hex of [
			"00",
			"6100",
			"c3a900",
			"80",
			"bf",
			"c0af",
			"c1bf",
			"c2",
			"c241",
			"e08080",
			"e09fbf",
			"e0a0",
			"eda080",
			"edbfbf",
			"e28228",
			"e22880",
			"f08080",
			"f0808080",
			"f08fbfbf",
			"f4908080",
			"f5808080",
			"f0908041",
			"f0904180",
			"f0418080",
			"ff",
			"fe",
			"61c3",
		])
			t.equal(check(hex), false, hex);
		const window = Buffer.from("ff61ff", "hex");
		t.equal(isValidUtf8(window, 1, 2), true, "only the range given");
		const cut = Buffer.from("c3a9", "hex");
		t.equal(isValidUtf8(cut, 0, 1), false, "a character cut by the range");
		t.end();
	},
);
