import t from "tap";
import { TopicTree } from "../../../src/topics/topic-tree.ts";

function treeOf(...filters: string[]): TopicTree {
	const tree = new TopicTree();
	for (const filter of filters) tree.add(filter);
	return tree;
}

/** The filters that match. */
function matches(tree: TopicTree, topic: string): string[] {
	const found: number[] = [];
	tree.match(topic, found);
	return found.map((entry) => tree.filterOf(entry)).sort();
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
	const tree = new TopicTree();
	const entry = tree.add("a");
	const found = [-1];
	tree.match("a", found);
	t.same(found, [-1, entry]);
});

t.test("holds several entries of one filter, in their order", async (t) => {
	const tree = new TopicTree();
	const [one, two, three] = [tree.add("a/+"), tree.add("a/+"), tree.add("a/+")];
	const found = () => {
		const entries: number[] = [];
		tree.match("a/b", entries);
		return entries;
	};
	t.equal(tree.size, 3);
	t.same(found(), [one, two, three]);
	tree.remove(one);
	t.same(found(), [two, three]);
	const four = tree.add("a/+");
	t.same(found(), [two, three, four]);
	tree.remove(three);
	t.same(found(), [two, four]);
	tree.remove(four);
	tree.remove(two);
	t.same(found(), []);
	t.equal(tree.nodes, 0);
});

t.test("keeps # and the filter before it apart", async (t) => {
	const tree = new TopicTree();
	const exact = tree.add("a");
	const multi = tree.add("a/#");
	t.same(matches(tree, "a"), ["a", "a/#"]);
	tree.remove(exact);
	t.same(matches(tree, "a"), ["a/#"]);
	tree.remove(multi);
	t.same(matches(tree, "a"), []);
});

t.test("an entry has fields for its owner, 0 at first", async (t) => {
	const tree = new TopicTree(3);
	const one = tree.add("a");
	const two = tree.add("a");
	tree.set(one, 0, 7);
	tree.set(one, 2, -9);
	t.same(
		[0, 1, 2].map((field) => tree.get(one, field)),
		[7, 0, -9],
	);
	t.same(
		[0, 1, 2].map((field) => tree.get(two, field)),
		[0, 0, 0],
	);
	tree.remove(one);
	const again = tree.add("b");
	t.same(
		[0, 1, 2].map((field) => tree.get(again, field)),
		[0, 0, 0],
	);
});

t.test("gives back a filter of any shape and writing", async (t) => {
	for (const filter of [
		"#",
		"+",
		"/",
		"//",
		"a/#",
		"/#",
		"+/+/#",
		"ü/日本/🌍",
	]) {
		const tree = new TopicTree();
		tree.add("x/y");
		t.equal(tree.filterOf(tree.add(filter)), filter);
	}
});

t.test("texts of removed filters leave memory", async (t) => {
	const tree = new TopicTree();
	const long = "x".repeat(1000);
	const kept = tree.add(`kept/${long}/日本`);
	for (let i = 0; i < 2000; i++) tree.remove(tree.add(`${i}${long}/${i}`));
	t.equal(tree.filterOf(kept), `kept/${long}/日本`);
	t.same(matches(tree, `kept/${long}/日本`), [`kept/${long}/日本`]);
	tree.remove(kept);
	t.equal(tree.nodes, 0);
});

t.test("each change has a version of its own, and only a change", async (t) => {
	const tree = new TopicTree();
	const seen = new Set([tree.version]);
	const entry = tree.add("a/b");
	seen.add(tree.version);
	tree.add("a/b");
	seen.add(tree.version);
	tree.remove(entry);
	seen.add(tree.version);
	t.equal(seen.size, 4);
	const before = tree.version;
	tree.match("a/b", []);
	t.equal(tree.version, before);
});

/** A tree of these filters, and what removes one of them. */
function removableTree(...filters: string[]) {
	const tree = new TopicTree();
	const entries = new Map(filters.map((filter) => [filter, tree.add(filter)]));
	const remove = (filter: string) => tree.remove(entries.get(filter) ?? 0);
	return { tree, remove };
}

t.test("prunes branches that are empty, and only those", async (t) => {
	const { tree, remove } = removableTree(
		"a/b/c/d",
		"a/b",
		"a/+/x/#",
		"a/b/c/e",
		"#",
		"+",
	);
	t.equal(tree.nodes, 8);
	remove("a/b/c/d");
	t.equal(tree.nodes, 7);
	t.same(matches(tree, "a/b/c/e"), ["#", "a/b/c/e"]);
	remove("a/b/c/e");
	t.equal(tree.nodes, 5);
	remove("a/+/x/#");
	t.equal(tree.nodes, 3);
	for (const filter of ["a/b", "#", "+"]) remove(filter);
	t.equal(tree.nodes, 0);
	t.equal(tree.size, 0);
});

t.test("goes from one child to thousands and back", async (t) => {
	const names = Array.from({ length: 5000 }, (_, i) => `top/number-${i}`);
	const { tree, remove } = removableTree(...names);
	for (const name of names) {
		t.same(matches(tree, name), [name]);
		remove(name);
		t.same(matches(tree, name), []);
	}
	t.equal(tree.nodes, 0);
});

t.test("a filter of 30,000 levels is no deeper than any other", async (t) => {
	const slashes = "/".repeat(30_000);
	const pluses = `${"+/".repeat(30_000)}+`;
	const filters = [slashes, pluses, `${slashes}#`, "#"];
	const { tree, remove } = removableTree(...filters);
	t.same(matches(tree, slashes), filters.toSorted());
	for (const filter of filters) remove(filter);
	t.equal(tree.nodes, 0);
});

t.test(
	"a level of a text that is not well formed is still found",
	async (t) => {
		const filter = "a/\ud800 and some more/b";
		t.same(matches(treeOf(filter), filter), [filter]);
	},
);
