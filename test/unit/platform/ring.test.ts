import fc from "fast-check";
import t from "tap";
import { Ring } from "../../../src/platform/ring.ts";

const step = fc.oneof(
	{ weight: 4, arbitrary: fc.constant("push" as const) },
	{ weight: 2, arbitrary: fc.constant("shift" as const) },
	{ weight: 1, arbitrary: fc.constant("pop" as const) },
	{ weight: 1, arbitrary: fc.nat({ max: 40 }) },
);

t.test("a ring is an array with two ends", (t) => {
	fc.assert(
		fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
			const ring = new Ring<number>();
			const model: number[] = [];
			for (const [index, each] of steps.entries()) {
				if (each === "push") {
					ring.push(index);
					model.push(index);
				} else if (each === "shift") t.equal(ring.shift(), model.shift());
				else if (each === "pop") t.equal(ring.pop(), model.pop());
				else t.equal(ring.remove(each), model.splice(each, 1)[0]);
				if (ring.length !== model.length) return false;
				if (ring.at(0) !== model[0] || ring.at(model.length) !== undefined)
					return false;
			}
			return ring.toArray().join() === model.join();
		}),
		{ numRuns: 200 },
	);
	t.end();
});

t.test("a cleared ring begins anew", (t) => {
	const ring = new Ring<string>();
	t.equal(ring.shift(), undefined);
	for (const item of ["a", "b", "c", "d", "e"]) ring.push(item);
	ring.clear();
	t.equal(ring.length, 0);
	t.equal(ring.pop(), undefined);
	ring.push("f");
	t.strictSame(ring.toArray(), ["f"]);
	t.end();
});
