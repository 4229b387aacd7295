/** What the benchmarks that start processes share: a core for each side, and medians. */
import { execFileSync } from "node:child_process";
import { availableParallelism } from "node:os";

const canPin = isPinningPossible();

/** Put before the broker's command. */
export const brokerPrefix: string[] = canPin ? ["taskset", "-c", "1"] : [];
/** Put before the load generator's. */
export const loadPrefix: string[] = canPin ? ["taskset", "-c", "0"] : [];

/** The machine has two cores, and taskset. */
function isPinningPossible(): boolean {
	if (availableParallelism() < 2) return false;
	try {
		execFileSync("taskset", ["-c", "1", "true"], { stdio: "ignore" });
		return true;
	} catch {
		return false;
	}
}

/** Of an even number the middle between the middle two; NaN of nothing. */
export function medianOf<T>(all: readonly T[], get: (one: T) => number) {
	const sorted = all.map(get).toSorted((a, b) => a - b);
	const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
	const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? upper;
	return (lower + upper) / 2;
}
