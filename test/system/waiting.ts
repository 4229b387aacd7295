/** Waiting for things of another process: a condition is asked for until a deadline. */
import { setTimeout as pause } from "node:timers/promises";
import { patienceMs } from "../support/raw-client.ts";

const POLL_MS = 10;

/**
 * Resolves as soon as `condition` holds.
 * @throws Error naming `what` when it does not in time
 */
export async function until(
	condition: () => boolean | Promise<boolean>,
	what: string,
	waitMs = patienceMs,
): Promise<void> {
	const deadline = performance.now() + waitMs;
	while (!(await condition())) {
		if (performance.now() >= deadline) {
			throw new Error(`${what}: not within ${waitMs} ms`);
		}
		await pause(POLL_MS);
	}
}

/** All lines of a log that contain `words`. */
export function linesWith(log: string, words: string): string[] {
	return log.split("\n").filter((line) => line.includes(words));
}

/** The value at a share of sorted numbers: 0.5 for the median. */
export function quantile(values: readonly number[], share: number): number {
	const sorted = values.toSorted((a, b) => a - b);
	const index = Math.min(sorted.length - 1, Math.floor(sorted.length * share));
	return sorted[index] ?? Number.NaN;
}
