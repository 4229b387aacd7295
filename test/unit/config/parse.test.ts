import t from "tap";
import {
	looksSecret,
	parseAssignment,
	parseConfigText,
	printable,
	quoteValue,
} from "../../../src/config/parse.ts";

function valuesOf(text: string): Record<string, string> {
	const { assignments } = parseConfigText(text, "f");
	return Object.fromEntries(assignments.map(({ key, value }) => [key, value]));
}

t.test("reads key = value lines and skips comments [VD001]", async (t) => {
	const text = "# a comment\n\n  max_qos = 1\nlog.level=debug\n   # another\n";
	t.same(valuesOf(text), { max_qos: "1", "log.level": "debug" });
	const { assignments } = parseConfigText(text, "/etc/b.conf");
	t.same(
		assignments.map((one) => one.where),
		["/etc/b.conf:3", "/etc/b.conf:4"],
	);
});

t.test("takes Windows line ends and a byte order mark", async (t) => {
	t.same(valuesOf("\uFEFFa = 1\r\nb = 2\r\n"), { a: "1", b: "2" });
	t.same(valuesOf("a = 1\rb = 2"), { a: "1", b: "2" });
});

t.test("a comment after a value needs a space before it", async (t) => {
	t.same(valuesOf("a = 1 # one\nb = sensors/# 1\nc = x#y\nd = # nothing\n"), {
		a: "1",
		b: "sensors/# 1",
		c: "x#y",
		d: "",
	});
	t.same(valuesOf("e = sensors/+/# # all"), { e: "sensors/+/#" });
});

t.test("quotes keep spaces, hashes and equal signs", async (t) => {
	t.same(
		valuesOf(
			'a = " x # y " # comment\nb = \'say "hi"\'\nc = "a\\"b\\\\c\\d"\nd = x=y\ne = ""\n',
		),
		{ a: " x # y ", b: 'say "hi"', c: 'a"b\\c\\d', d: "x=y", e: "" },
	);
});

t.test("names what cannot be read, with its line", async (t) => {
	const { problems, assignments } = parseConfigText(
		'listener 1883\n= 3\na b = 1\nc = "open\nd = "x" y\ne = a\u0000b\nok = 1\n',
		"f",
	);
	t.same(
		problems.map(({ where, message }) => `${where} ${message.split(" ")[0]}`),
		["f:1 is", "f:2 is", "f:3 is", "f:4 has", "f:5 has", "f:6 has"],
	);
	t.equal(assignments.length, 1);
});

t.test("the later of two lines counts and a notice says so", async (t) => {
	const { assignments, notices } = parseConfigText("a = 1\na = 2\n", "f");
	t.equal(assignments.at(-1)?.value, "2");
	t.match(notices, [{ where: "f:2", key: "a", message: /before at f:1/ }]);
});

t.test("a value of the command line has no comments", async (t) => {
	t.match(parseAssignment("a=x # y", "--set", false), { value: "x # y" });
	t.match(parseAssignment("a='x # y'", "--set", false), { value: "x # y" });
	t.match(parseAssignment('a="x" # y', "--set", false), { message: /quote/ });
	t.match(parseAssignment("a", "--set", false), { message: /key = value/ });
});

t.test("quoting is undone by reading", async (t) => {
	for (const value of [
		"",
		" a",
		"x # y",
		"#x",
		'"',
		"'q'",
		"a\\",
		"ä",
		"a b",
	]) {
		t.same(valuesOf(`k = ${quoteValue(value)}`), { k: value }, value);
	}
});

t.test("recognises keys whose values are nobody's business", async (t) => {
	t.ok(looksSecret("bridge.central.password"));
	t.ok(looksSecret("graphite_api_key"));
	t.notOk(looksSecret("vmq_passwd.password_file"));
	t.notOk(looksSecret("max_qos"));
	t.match(parseAssignment("bridge_password geheim", "f:1", true), {
		key: "bridge_password ...",
		value: "",
	});
	t.match(parseAssignment('password = "geheim', "f:1", true), { value: "" });
});

t.test(
	"text for the terminal has no control characters and an end",
	async (t) => {
		t.equal(printable("a\u001b[31m\u009b"), "a?[31m?");
		t.equal(printable("x".repeat(500)).length, 203);
	},
);
