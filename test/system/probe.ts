/** Measures what others notice of the load a test makes; see probe-worker.ts. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Test } from "tap";
import { quantile } from "./waiting.ts";

export interface Noticed {
	/** Rounds of a message there and a ping back that were measured. */
	count: number;
	medianMs: number;
	/** 99 of 100 were at most this. */
	p99Ms: number;
	worstMs: number;
}

export class Probe {
	readonly #worker: Worker;

	constructor(worker: Worker) {
		this.#worker = worker;
	}

	/** Ends the measurement. @throws Error when the quiet pair lost its connection or a message */
	async result(): Promise<Noticed> {
		const answer = once(this.#worker, "message");
		this.#worker.postMessage("stop");
		const [{ milliseconds, problem }] = (await answer) as [
			{ milliseconds: number[]; problem: string },
		];
		if (problem !== "") throw new Error(problem);
		return {
			count: milliseconds.length,
			medianMs: quantile(milliseconds, 0.5),
			p99Ms: quantile(milliseconds, 0.99),
			worstMs: quantile(milliseconds, 1),
		};
	}
}

/** Begins to measure. */
export async function startProbe(
	t: Test,
	port: number,
	qos: 0 | 1 = 0,
): Promise<Probe> {
	const url = new URL("./probe-worker.ts", import.meta.url);
	const worker = new Worker(url, { workerData: { port, qos }, execArgv: [] });
	t.teardown(() => worker.terminate());
	await once(worker, "message");
	return new Probe(worker);
}

/**
 * The quiet pair had no reason to complain. The bounds are far above what a quiet machine
 * shows (a millisecond or two) and far below what a person or a keep alive would notice.
 */
export function checkNoticed(t: Test, noticed: Noticed): void {
	const { count, medianMs, p99Ms, worstMs } = noticed;
	const text = `${count} rounds, median ${medianMs.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms, worst ${worstMs.toFixed(1)} ms`;
	t.comment(`a quiet pair meanwhile: ${text}`);
	// No benchmark: so wide that a busy machine keeps them and a stall does not.
	t.ok(medianMs < 500, `median: ${text}`);
	t.ok(p99Ms < 4000, `99 of 100: ${text}`);
	t.ok(worstMs < 10_000, `worst: ${text}`);
}
