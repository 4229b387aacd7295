import fc from "fast-check";
import t from "tap";
import { TopicWrites } from "../../src/store/topic-writes.ts";

t.test(
	"finds the topic with more than half of the writes, whatever else comes",
	async () => {
		const other = fc.integer({ min: 0, max: 500 }).map((n) => `other/${n}`);
		const topics = fc
			.tuple(
				fc.array(other, { maxLength: 400 }),
				fc.array(fc.constant("busy"), { minLength: 401, maxLength: 600 }),
			)
			.chain((parts) => {
				const all = parts.flat();
				return fc.shuffledSubarray(all, { minLength: all.length });
			});
		fc.assert(
			fc.property(topics, (given) => {
				const writes = new TopicWrites();
				for (const topic of given) writes.note(topic, true);
				const found = writes.busiest();
				const real = given.filter((topic) => topic === "busy").length;
				return (
					found?.topic === "busy" &&
					found.writes <= real &&
					found.writes >= real - given.length / 16 &&
					writes.writes === given.length
				);
			}),
			{ numRuns: 50 },
		);
	},
);

t.test(
	"says how the topic was written last, and forgets when it is told to",
	async (t) => {
		const writes = new TopicWrites();
		t.equal(writes.busiest(), null);
		writes.note("a", true);
		writes.note("a", false);
		writes.note("b", true);
		t.strictSame(writes.busiest(), {
			topic: "a",
			writes: 2,
			share: 2 / 3,
			isLazy: false,
		});
		writes.clear();
		t.equal(writes.busiest(), null);
		t.equal(writes.writes, 0);
	},
);
