/** The case files themselves: enough of them, told apart, run by some test, readable. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { caseFileNames, loadCases } from "./case-file.ts";
import {
	type Captures,
	encodeNotation,
	matchesPattern,
	type NotationContext,
	parseNotation,
} from "./notation.ts";

const context = (version: 3 | 4 | 5): NotationContext => ({
	version,
	clientId: "id",
	expand: (text) => text.replaceAll("$T", "topic"),
});

function hex(
	text: string,
	version: 3 | 4 | 5 = 5,
	captures: Captures = new Map(),
) {
	return encodeNotation(text, context(version), captures).toString("hex");
}

t.test(
	"there are at least 600 cases and no two with one title in a file",
	async (t) => {
		let count = 0;
		for (const name of caseFileNames()) {
			const titles = loadCases(name).map((wireCase) => wireCase.title);
			const twice = titles.filter((title, at) => titles.indexOf(title) !== at);
			t.same(twice, [], `${name}: titles that occur twice`);
			count += titles.length;
		}
		t.ok(count >= 600, `${count} cases`);
	},
);

t.test("every case file is run by one test file", async (t) => {
	const folder = import.meta.dirname;
	const sources = readdirSync(folder)
		.filter((name) => name.endsWith(".test.ts") && name !== "cases.test.ts")
		.map((name) => readFileSync(join(folder, name), "utf8"));
	for (const name of caseFileNames())
		t.equal(
			sources.filter((source) => source.includes(`"${name}"`)).length,
			1,
			`${name}.cases.json`,
		);
});

t.test("no placeholder of a variant is left unfilled", async (t) => {
	for (const wireCase of caseFileNames().flatMap(loadCases))
		for (const text of [wireCase.title, ...wireCase.steps])
			if (/\$\d/.test(text)) t.fail(`${wireCase.title}: ${text}`);
});

t.test("requirement ids have the known form", async (t) => {
	const form =
		/^(MQTT-\d+(\.\d+)*-\d+|v3\.1\.1 MQTT-\d+(\.\d+)*-\d+|v3\.1 section \d(\.\d+)?)$/;
	for (const wireCase of caseFileNames().flatMap(loadCases))
		for (const id of wireCase.spec)
			if (!form.test(id)) t.fail(`${wireCase.title}: ${id}`);
});

t.test("the byte notation", async (t) => {
	t.equal(hex("30 0A 0b0C"), "300a0b0c");
	t.equal(hex("'a\\x00\\'\\u{e9}'"), "610027c3a9");
	t.equal(hex("s'$T'"), "0005746f706963");
	t.equal(hex("30 r* s'a' 'xy'"), "30050001617879");
	t.equal(hex("C0 r* | 30 r* 01"), "c000300101");
	t.equal(hex("r14 v128 w258 W1"), "0e8001010200000001");
	t.equal(hex("b3*61"), "616161");
	t.equal(hex("p[ 01 01 ] p?[] l[ 'a' ]"), "02010100000161");
	t.equal(hex("p?[ 01 ]", 4), "", "no properties in 3.1.1");
	t.equal(hex("@p", 3), "00064d514973647003");
	t.equal(hex("@c", 4), "100e00044d51545404020258" + "00026964");
	t.equal(
		hex("@k(000A,00,11 00000001)"),
		"101400044d515454050000" + "0a05110000000100026964",
	);
	t.throws(() => hex("'abc"), "text without an end");
	t.throws(() => hex("p[ 00"), "bracket without an end");
	t.throws(() => hex("@nothing"), "unknown macro");
	t.throws(() => hex("40 02 ?i"), "nothing captured");
});

t.test("patterns capture and compare", async (t) => {
	const captures: Captures = new Map();
	const matches = (text: string, bytes: string) =>
		matchesPattern(
			parseNotation(text, context(5)),
			Buffer.from(bytes, "hex"),
			captures,
		);
	t.ok(matches("40 02 ?i", "40021234"));
	t.notOk(matches("40 02 ?i", "40021235"), "another identifier");
	t.ok(matches("?? 02 ?i", "70021234"));
	t.notOk(matches("40 02 ?j 00", "40021234"), "too short");
	t.equal(hex("40 02 ?i", 5, captures), "40021234");
});
