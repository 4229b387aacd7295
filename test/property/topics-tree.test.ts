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
					const tree = new TopicTree<string>();
					for (const text of filters) tree.add(text, text);
					for (const text of topics) {
						const found: string[] = [];
						tree.match(text, found);
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
	"adding and removing in any order is a set of pairs, and ends empty",
	async (t) => {
		const change = fc.tuple(fc.boolean(), filter, fc.nat(3));
		fc.assert(
			fc.property(fc.array(change, { maxLength: 100 }), (changes) => {
				const tree = new TopicTree<number>();
				const model = new Map<string, Set<number>>();
				let version = tree.version;
				for (const [isAdd, text, value] of changes) {
					const values = model.get(text) ?? new Set();
					model.set(text, values);
					const had = values.has(value);
					if (isAdd) {
						tree.add(text, value);
						values.add(value);
					} else {
						t.equal(tree.remove(text, value), had);
						values.delete(value);
					}
					if (had === isAdd) t.equal(tree.version, version);
					else t.ok(tree.version > version);
					version = tree.version;
					t.same(tree.values(text), [...values]);
				}
				let size = 0;
				for (const values of model.values()) size += values.size;
				t.equal(tree.size, size);
				for (const [text, values] of model)
					for (const value of values) t.ok(tree.remove(text, value));
				t.equal(tree.size, 0);
				t.equal(tree.nodes, 0);
			}),
			{ numRuns: 100 },
		);
	},
);
