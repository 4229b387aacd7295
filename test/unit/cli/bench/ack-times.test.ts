import t from "tap";
import { AckTimes } from "../../../../src/cli/bench/ack-times.ts";

t.test("knows those that are open, across the end of the ids", async (t) => {
	const times = new AckTimes(20);
	const ids = [65_530, 65_535, 1, 2, 9];
	for (const id of ids) times.sent(id, id * 10);
	for (const id of ids) t.equal(times.dueMs(id), id * 10);
});

t.test("one that was overtaken by many is not taken for another", async (t) => {
	const times = new AckTimes(4);
	times.sent(1, 10);
	for (let id = 2; id <= 9; id++) times.sent(id, 20);
	t.equal(times.dueMs(1), 0);
	t.equal(times.dueMs(9), 20);
	t.equal(times.dueMs(77), 0);
});
