/**
 * What finding the subscriptions of a topic name costs: the walk through the tree, a
 * hit in the cache, and the same topic again. Run by hand, a few seconds:
 *
 *     node test/bench/match.ts
 */
import { MatchCache } from "../../src/topics/match-cache.ts";
import { TopicTree } from "../../src/topics/topic-tree.ts";
import { figure } from "./micro-report.ts";

const FILTERS = 100_000;

/**
 * The best of five rounds. Each has topic strings of its own, made as a decoder makes
 * them: their hash is not known yet.
 */
function nsPerTopic(
	topics: readonly string[],
	copies: number,
	call: (topic: string) => void,
): number {
	let best = Infinity;
	for (let round = 0; round < 5; round++) {
		const fresh: string[] = [];
		for (let i = 0; i < copies; i++)
			for (const topic of topics)
				fresh.push(Buffer.from(topic).toString("latin1"));
		const start = performance.now();
		for (const topic of fresh) call(topic);
		best = Math.min(best, ((performance.now() - start) * 1e6) / fresh.length);
	}
	return best;
}

/** Numbers lie outside the heap. */
function memoryUsed(): number {
	const { heapUsed, external } = process.memoryUsage();
	return heapUsed + external;
}

const heapBefore = memoryUsed();
const tree = new TopicTree();
const filling = performance.now();
for (let i = 0; i < FILTERS; i++) {
	const kind = i % 4;
	if (kind === 0) tree.add(`site/${i % 100}/device/${i}/+`);
	else if (kind === 1) tree.add(`site/${i % 100}/device/${i}/#`);
	else if (kind === 2) tree.add(`site/+/device/${i}/state`);
	else tree.add(`building/${i}/+/temperature/#`);
}
const perFilter = ((performance.now() - filling) * 1e6) / FILTERS;
const heap = memoryUsed() - heapBefore;
figure(`${FILTERS} wildcard filters, each`, heap / FILTERS, "bytes");
figure("nodes of their tree", tree.nodes, "");
figure("add", perFilter, "ns");

const matching = Array.from(
	{ length: 1000 },
	(_, i) => `site/${(i * 4) % 100}/device/${i * 4}/state`,
);
const unrelated = Array.from(
	{ length: 1000 },
	(_, i) => `office/floor/${i}/light`,
);
const found: number[] = [];
const walk = (topic: string) => {
	found.length = 0;
	tree.match(topic, found);
};
figure("tree walk, one filter matches", nsPerTopic(matching, 200, walk), "ns");
figure("tree walk, unrelated topic", nsPerTopic(unrelated, 200, walk), "ns");

const cache = new MatchCache(10_000, 8 << 20, (topic) => {
	const result: number[] = [];
	tree.match(topic, result);
	return result;
});
const hit = (topic: string) => {
	cache.get(topic, tree.version);
};
figure("cache hit, 1,000 topics in turn", nsPerTopic(matching, 200, hit), "ns");
figure("last topic", nsPerTopic(matching.slice(0, 1), 200_000, hit), "ns");

const small = new MatchCache(1000, 8 << 20, (topic) => topic.length);
const once = Array.from({ length: 200_000 }, (_, i) => `reply/${i}`);
figure(
	"miss in a full cache of 1,000, without the walk",
	nsPerTopic(once, 1, (topic) => {
		small.get(topic, 1);
	}),
	"ns",
);
