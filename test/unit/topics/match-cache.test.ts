import t from "tap";
import { MatchCache } from "../../../src/topics/match-cache.ts";

function counting(maxEntries: number, maxBytes = Infinity) {
	const computed: string[] = [];
	const cache = new MatchCache<string>(maxEntries, maxBytes, (topic) => {
		computed.push(topic);
		return `${topic} ${computed.length}`;
	});
	return { cache, computed };
}

t.test("computes once per topic name and version", async (t) => {
	const { cache, computed } = counting(10);
	t.equal(cache.get("a", 1), "a 1");
	t.equal(cache.get("a", 1), "a 1", "the last topic");
	t.equal(cache.get("b", 1), "b 2");
	t.equal(cache.get("a", 1), "a 1", "one of the others");
	t.same(computed, ["a", "b"]);
});

t.test("a result of another version is never used", async (t) => {
	const { cache, computed } = counting(10);
	cache.get("a", 1);
	cache.get("b", 1);
	t.equal(cache.get("b", 2), "b 3", "the last topic");
	t.equal(cache.get("a", 2), "a 4");
	t.equal(cache.get("a", 1), "a 5", "nor when it goes back");
	t.equal(cache.size, 2);
	t.equal(computed.length, 5);
});

t.test("outdated entries leave first, then unused ones", async (t) => {
	const { cache, computed } = counting(3);
	for (const topic of ["a", "b", "c"]) cache.get(topic, 1);
	for (const topic of ["a", "b"]) cache.get(topic, 2);
	cache.get("d", 2);
	computed.length = 0;
	for (const topic of ["a", "b", "d"]) cache.get(topic, 2);
	t.same(computed, [], "c was outdated");
	cache.get("e", 2);
	t.equal(cache.size, 3);
});

t.test("topics in use survive a stream of topics seen once", async (t) => {
	const { cache, computed } = counting(10);
	for (let i = 0; i < 1000; i++) {
		for (const busy of ["x", "y", "z"]) cache.get(busy, 1);
		cache.get(`once/${i}`, 1);
	}
	t.equal(computed.filter((topic) => !topic.startsWith("once")).length, 3);
	t.equal(cache.size, 10);
});

t.test("the last topic counts as used", async (t) => {
	const { cache, computed } = counting(2);
	cache.get("a", 1);
	cache.get("b", 1);
	cache.get("a", 1);
	cache.get("a", 1);
	cache.get("c", 1);
	cache.get("a", 1);
	t.same(computed, ["a", "b", "c"]);
});

t.test("stays below its bytes and forgets them when cleared", async (t) => {
	const weigh = (result: string) => result.length;
	const cache = new MatchCache<string>(1000, 2000, (s) => s.repeat(50), weigh);
	for (let i = 0; i < 100; i++) {
		cache.get(`${i}`, 1);
		t.ok(cache.bytes <= 2000);
	}
	t.ok(cache.size > 3);
	t.ok(cache.bytes > 1000);
	cache.clear();
	t.equal(cache.bytes, 0);
	t.equal(cache.size, 0);
	t.equal(cache.get("ab", 1), "ab".repeat(50));
});

t.test("what is larger than the whole cache is not kept", async (t) => {
	const weigh = (result: string) => result.length;
	const cache = new MatchCache<string>(10, 1000, (s) => s.repeat(50), weigh);
	cache.get("a", 1);
	t.equal(cache.get("x".repeat(100), 1).length, 5000);
	t.equal(cache.size, 1);
	const off = counting(0);
	t.equal(off.cache.get("a", 1), "a 1");
	t.equal(off.cache.get("a", 1), "a 2");
	t.equal(off.cache.bytes, 0);
});

t.test("a result that has grown too large leaves its place", async (t) => {
	let size = 10;
	const cache = new MatchCache(
		10,
		1000,
		() => size,
		(r) => r,
	);
	cache.get("a", 1);
	size = 5000;
	t.equal(cache.get("a", 2), 5000);
	t.equal(cache.size, 0);
	t.equal(cache.bytes, 0);
});

t.test("a failing computation changes nothing", async (t) => {
	let fails = false;
	const cache = new MatchCache(10, 1000, (topic) => {
		if (fails) throw new Error("no");
		return topic;
	});
	cache.get("a", 1);
	fails = true;
	t.throws(() => cache.get("a", 2), { message: "no" });
	t.throws(() => cache.get("b", 2), { message: "no" });
	t.equal(cache.size, 1);
	t.equal(cache.get("a", 1), "a");
});

t.test("a computation may ask the cache itself", async (t) => {
	const cache: MatchCache<number> = new MatchCache(2, 1000, (topic) =>
		topic === "" ? 0 : 1 + cache.get(topic.slice(1), 1),
	);
	t.equal(cache.get("aaaaa", 1), 5);
	t.equal(cache.size, 2);
});
