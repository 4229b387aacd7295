import t from "tap";
import {
	type Order,
	SequenceCheck,
} from "../../../../src/cli/bench/sequence-check.ts";

/** What is said of numbers that arrive in this order. */
function orderOf(numbers: readonly number[], isJoining = false): Order {
	const order: Order = { missing: 0, duplicates: 0, reordered: 0 };
	const check = new SequenceCheck(order, 0, 1);
	for (const number of numbers) check.arrived(0, number, isJoining);
	return order;
}

t.test("complete, once and in order", async (t) => {
	t.same(orderOf([1, 2, 3, 4]), { missing: 0, duplicates: 0, reordered: 0 });
});

t.test("what is passed over is missing, until it comes", async (t) => {
	t.same(orderOf([1, 2, 5]), { missing: 2, duplicates: 0, reordered: 0 });
	t.same(orderOf([1, 2, 5, 3, 4]), { missing: 0, duplicates: 0, reordered: 2 });
	t.same(orderOf([3]), { missing: 2, duplicates: 0, reordered: 0 });
	t.same(orderOf([1, 100, 99]), { missing: 97, duplicates: 0, reordered: 1 });
});

t.test("what comes twice is no reordering", async (t) => {
	t.same(orderOf([1, 2, 2, 1]), { missing: 0, duplicates: 2, reordered: 0 });
	t.same(orderOf([1, 3, 2, 2]), { missing: 0, duplicates: 1, reordered: 1 });
});

t.test(
	"later than 32 messages it cannot be told from a duplicate",
	async (t) => {
		const others = Array.from({ length: 40 }, (_, at) => at + 3);
		t.same(orderOf([1, ...others, 2]), {
			missing: 1,
			duplicates: 1,
			reordered: 0,
		});
	},
);

t.test("who subscribed later has missed nothing", async (t) => {
	t.same(orderOf([70, 71, 73], true), {
		missing: 1,
		duplicates: 0,
		reordered: 0,
	});
});

t.test("publishers are told apart, also those nobody announced", async (t) => {
	const order: Order = { missing: 0, duplicates: 0, reordered: 0 };
	const check = new SequenceCheck(order, 0, 0);
	for (const publisher of [0, 5000, 3]) {
		t.ok(check.arrived(publisher, 1, true));
		t.ok(check.arrived(publisher, 2, true));
	}
	t.notOk(check.arrived(5000, 2, true));
	t.same(order, { missing: 0, duplicates: 1, reordered: 0 });
});
