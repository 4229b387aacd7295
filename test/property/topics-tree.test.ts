import fc from "fast-check";
import t from "tap";
import { TopicTree } from "../../src/topics/topic-tree.ts";

/** Section 4.7, word by word. */
function naiveMatch(filter: string, topic: string): boolean {
	if (topic.startsWith("$") && /^[#+]/.test(filter)) return false;
	const filterLevels = filter.split("/");
	const topicLevels = topic.split("/");
	for (const [i, level] of filterLevels.entries()) {
		if (level === "#") return true;
		if (i >= topicLevels.length) return false;
		if (level !== "+" && level !== topicLevels[i]) return false;
	}
	return filterLevels.length === topicLevels.length;
}

const name = fc.constantFrom(
	"",
	"a",
	"b",
	"$S",
	"$",
	"a level of its own",
	"é",
);
const topic = fc
	.array(name, { minLength: 1, maxLength: 5 })
	.map((levels) => levels.join("/"))
	.filter((text) => text !== "");
const filter = fc
	.tuple(
		fc.array(fc.oneof({ weight: 2, arbitrary: name }, fc.constant("+")), {
			maxLength: 5,
		}),
		fc.boolean(),
	)
	.map(([levels, multi]) => [...levels, ...(multi ? ["#"] : [])].join("/"))
	.filter((text) => text !== "");

t.test(
	"finds what a naive matcher finds [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.2-1]",
	async () => {
		fc.assert(
			fc.property(
				fc.uniqueArray(filter, { maxLength: 40 }),
				fc.array(topic, { minLength: 1, maxLength: 10 }),
				(filters, topics) => {
					const tree = new TopicTree();
					for (const text of filters) tree.add(text);
					for (const text of topics) {
						const entries: number[] = [];
						tree.match(text, entries);
						const found = entries.map((entry) => tree.filterOf(entry));
						const expected = filters.filter((f) => naiveMatch(f, text));
						if (found.sort().join(" | ") !== expected.sort().join(" | "))
							return false;
					}
					return true;
				},
			),
			{ numRuns: 1000 },
		);
	},
);

t.test(
	"adding and removing in any order is a list, and ends empty",
	async (t) => {
		const change = fc.tuple(fc.boolean(), filter, fc.nat(3));
		fc.assert(
			fc.property(fc.array(change, { maxLength: 100 }), (changes) => {
				const tree = new TopicTree(1);
				const model = new Map<string, number[]>();
				let count = 0;
				for (const [isAdd, text, place] of changes) {
					const entries = model.get(text) ?? [];
					model.set(text, entries);
					if (isAdd) {
						const entry = tree.add(text);
						tree.set(entry, 0, ++count);
						entries.push(entry);
					} else {
						const [entry] = entries.splice(place % (entries.length || 1), 1);
						if (entry !== undefined) tree.remove(entry);
					}
					for (const entry of entries) t.equal(tree.filterOf(entry), text);
				}
				const all = [...model.values()].flat();
				t.equal(tree.size, all.length);
				t.equal(
					new Set(all.map((entry) => tree.get(entry, 0))).size,
					all.length,
				);
				for (const entry of all) tree.remove(entry);
				t.equal(tree.size, 0);
				t.equal(tree.nodes, 0);
			}),
			{ numRuns: 100 },
		);
	},
);
