import t from "tap";
import { TopicTree } from "../../../src/topics/topic-tree.ts";

function treeOf(...filters: string[]): TopicTree<string> {
	const tree = new TopicTree<string>();
	for (const filter of filters) tree.add(filter, filter);
	return tree;
}

function matches(tree: TopicTree<string>, topic: string): string[] {
	const found: string[] = [];
	tree.match(topic, found);
	return found.sort();
}

/** filter, topic names that match, topic names that do not */
const cases: readonly [string, string[], string[]][] = [
	["a/b", ["a/b"], ["a", "a/b/c", "/a/b", "a/b/", "A/b", "a/bb"]],
	["#", ["a", "a/b", "/", "//", "/a"], ["$SYS", "$SYS/a", "$"]],
	["+", ["a", "ab"], ["a/b", "/a", "/", "$SYS"]],
	["+/+", ["/", "a/b", "/b", "a/"], ["a", "a/b/c", "$SYS/a"]],
	["/+", ["/", "/finance"], ["finance", "//", "a/b"]],
	["+/", ["/", "a/"], ["a", "a/b", "$a/"]],
	["/#", ["/", "/a", "/a/b"], ["a", "a/b"]],
	[
		"sport/tennis/player1/#",
		[
			"sport/tennis/player1",
			"sport/tennis/player1/ranking",
			"sport/tennis/player1/score/wimbledon",
		],
		["sport/tennis/player2", "sport/tennis", "sport/tennis/player1x"],
	],
	["sport/+", ["sport/", "sport/a"], ["sport", "sport/a/b"]],
	["+/tennis/#", ["a/tennis", "/tennis/b"], ["tennis", "a/b/tennis"]],
	["a/+/+/d", ["a/b/c/d", "a///d"], ["a/b/d", "a/b/c/e"]],
	["$SYS/#", ["$SYS", "$SYS/a/b"], ["SYS/a", "$SYSx"]],
	["$SYS/+/x", ["$SYS/a/x", "$SYS//x"], ["$SYS/x"]],
	["+/$x/#", ["a/$x", "a/$x/b"], ["$x/$x"]],
	["a//b", ["a//b"], ["a/b", "a///b"]],
	["/", ["/"], ["a", "//"]],
	["ü/日本/🌍", ["ü/日本/🌍"], ["u/日本/🌍"]],
];

for (const [filter, good, bad] of cases)
	t.test(
		`${filter} matches what section 4.7 says [MQTT-4.7.1-2] [MQTT-4.7.2-1]`,
		async (t) => {
			const tree = treeOf(filter);
			for (const topic of good)
				t.same(matches(tree, topic), [filter], `matches ${topic}`);
			for (const topic of bad)
				t.same(matches(tree, topic), [], `does not match ${topic}`);
		},
	);

t.test("finds every filter that matches, each once", async (t) => {
	const tree = treeOf("a/b/c", "a/+/c", "a/#", "#", "+/+/+", "a/b/+", "x/#");
	t.same(matches(tree, "a/b/c"), [
		"#",
		"+/+/+",
		"a/#",
		"a/+/c",
		"a/b/+",
		"a/b/c",
	]);
});

t.test(
	"topic names are compared code unit by code unit [MQTT-4.7.3-4]",
	async (t) => {
		const composed = "caf\u00e9";
		const tree = treeOf(composed);
		t.same(matches(tree, "cafe\u0301"), []);
		t.same(matches(tree, composed), [composed]);
	},
);

t.test("appends to the given list", async (t) => {
	const found = ["before"];
	treeOf("a").match("a", found);
	t.same(found, ["before", "a"]);
});

t.test("holds several values of one filter, by identity", async (t) => {
	const tree = new TopicTree<object>();
	const [one, two, three] = [{}, {}, {}];
	for (const value of [one, two, three, two]) tree.add("a/+", value);
	t.equal(tree.size, 3);
	const found: object[] = [];
	tree.match("a/b", found);
	t.equal(found.length, 3);
	t.ok([one, two, three].every((value, i) => found[i] === value));
	t.equal(tree.remove("a/+", {}), false, "an equal object is another value");
	t.equal(tree.remove("a/+", two), true);
	t.equal(tree.remove("a/+", two), false);
	t.equal(tree.remove("a/+", one), true);
	t.ok(tree.values("a/+")[0] === three);
	t.equal(tree.values("a/+").length, 1);
	t.equal(tree.remove("a/+", three), true);
	t.same(tree.values("a/+"), []);
	t.equal(tree.nodes, 0);
});

t.test("a list is a value like any other", async (t) => {
	const tree = new TopicTree<number[]>();
	const list = [1, 2];
	tree.add("a", list);
	t.ok(tree.values("a")[0] === list);
});

t.test("keeps # and the filter before it apart", async (t) => {
	const tree = new TopicTree<string>();
	tree.add("a", "exact");
	tree.add("a/#", "multi");
	t.same(tree.values("a"), ["exact"]);
	t.same(tree.values("a/#"), ["multi"]);
	t.same(matches(tree, "a"), ["exact", "multi"]);
	t.equal(tree.remove("a/#", "exact"), false);
	t.equal(tree.remove("a", "exact"), true);
	t.same(matches(tree, "a"), ["multi"]);
});

t.test("each change has a version of its own, and only a change", async (t) => {
	const tree = new TopicTree<string>();
	const seen = new Set([tree.version]);
	tree.add("a/b", "x");
	seen.add(tree.version);
	tree.add("a/b", "y");
	seen.add(tree.version);
	tree.remove("a/b", "x");
	seen.add(tree.version);
	t.equal(seen.size, 4);
	const before = tree.version;
	tree.add("a/b", "y");
	tree.remove("a/b", "none");
	tree.remove("no/such/filter", "y");
	tree.remove("no/+", "y");
	tree.remove("a", "y");
	tree.match("a/b", []);
	t.equal(tree.version, before);
});

t.test("prunes branches that are empty, and only those", async (t) => {
	const tree = treeOf("a/b/c/d", "a/b", "a/+/x/#", "a/b/c/e", "#", "+");
	t.equal(tree.nodes, 8);
	tree.remove("a/b/c/d", "a/b/c/d");
	t.equal(tree.nodes, 7);
	t.same(matches(tree, "a/b/c/e"), ["#", "a/b/c/e"]);
	tree.remove("a/b/c/e", "a/b/c/e");
	t.equal(tree.nodes, 5);
	tree.remove("a/+/x/#", "a/+/x/#");
	t.equal(tree.nodes, 3);
	for (const filter of ["a/b", "#", "+"]) tree.remove(filter, filter);
	t.equal(tree.nodes, 0);
	t.equal(tree.size, 0);
});

t.test("goes from one child to many and back", async (t) => {
	const tree = new TopicTree<string>();
	const names = Array.from({ length: 50 }, (_, i) => `level-number-${i}`);
	for (const name of names) tree.add(`top/${name}`, name);
	for (const name of names) {
		t.same(matches(tree, `top/${name}`), [name]);
		tree.remove(`top/${name}`, name);
		t.same(matches(tree, `top/${name}`), []);
	}
	t.equal(tree.nodes, 0);
});

t.test("a filter of 30,000 levels is no deeper than any other", async (t) => {
	const slashes = "/".repeat(30_000);
	const pluses = `${"+/".repeat(30_000)}+`;
	const tree = treeOf(slashes, pluses, `${slashes}#`, "#");
	t.same(matches(tree, slashes), ["#", pluses, slashes, `${slashes}#`].sort());
	for (const filter of [slashes, pluses, `${slashes}#`])
		t.ok(tree.remove(filter, filter));
	t.equal(tree.nodes, 0);
});

t.test(
	"a level of a text that is not well formed is still found",
	async (t) => {
		const filter = "a/\ud800 and some more/b";
		t.same(matches(treeOf(filter), filter), [filter]);
	},
);
