import t from "tap";
import {
	heapLimitMegabytes,
	memoryBudget,
	memoryLimit,
} from "../../../src/broker/memory-plan.ts";
import {
	machineMemory,
	residentBytes,
} from "../../../src/platform/machine-memory.ts";

const MB = 1024 * 1024;

t.test("auto is a share of what the machine or the group gives", async (t) => {
	const limit = (configured: number, ramBytes: number, cgroupBytes: number) =>
		memoryLimit(configured, { ramBytes, cgroupBytes });
	t.equal(limit(Infinity, 1000 * MB, Infinity), 400 * MB);
	t.equal(limit(Infinity, 1000 * MB, 250 * MB), 200 * MB);
	t.equal(limit(Infinity, 100 * MB, Infinity), 96 * MB, "never below 96 MB");
	t.equal(limit(160 * MB, 100 * MB, 50 * MB), 160 * MB, "what was set, stays");
});

t.test("the budget is what is left, without a reserve", async (t) => {
	t.equal(memoryBudget(160 * MB, 72 * MB), 51 * MB);
	t.equal(memoryBudget(96 * MB, 130 * MB), 8 * MB, "never nothing");
	t.equal(heapLimitMegabytes(160 * MB), 101);
	t.ok(heapLimitMegabytes(96 * MB) < 160);
});

t.test("the machine has memory, and this process some of it", async (t) => {
	const { ramBytes, cgroupBytes } = machineMemory();
	t.ok(residentBytes() > 10 * MB);
	t.ok(ramBytes > residentBytes());
	t.ok(cgroupBytes > residentBytes());
});
