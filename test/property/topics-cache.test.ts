import fc from "fast-check";
import t from "tap";
import { MatchCache } from "../../src/topics/match-cache.ts";

t.test(
	"is never beyond its bounds and never returns an outdated result",
	async () => {
		const step = fc.tuple(fc.nat(30), fc.boolean());
		fc.assert(
			fc.property(
				fc.nat(12),
				fc.integer({ min: 0, max: 4000 }),
				fc.array(step, { maxLength: 300 }),
				(maxEntries, maxBytes, steps) => {
					let version = 0;
					const cache = new MatchCache(
						maxEntries,
						maxBytes,
						(topic) => ({ topic, version, weight: (topic.length * 97) % 700 }),
						(result) => result.weight,
					);
					for (const [number, isChange] of steps) {
						if (isChange) version++;
						const topic = "t".repeat(number);
						const result = cache.get(topic, version);
						if (result.topic !== topic || result.version !== version)
							return false;
						if (cache.size > maxEntries || cache.bytes > maxBytes) return false;
						if ((cache.size === 0) !== (cache.bytes === 0)) return false;
					}
					return true;
				},
			),
			{ numRuns: 500 },
		);
	},
);
