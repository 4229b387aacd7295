/**
 * What the micro-benchmarks have in common: how a short piece of code is timed, and one
 * line for each figure, which `npm run bench:micro` reads as JSON.
 */

const ROUNDS = 7;

/** @param what unique within one program */
export function figure(what: string, value: number, unit: string): void {
	const digits = value < 100 ? 2 : 0;
	console.log(
		process.env.BENCH_JSON === undefined
			? `${what.padEnd(58)} ${value.toFixed(digits).padStart(10)} ${unit}`
			: JSON.stringify({ what, value, unit }),
	);
}

export interface Figure {
	readonly what: string;
	readonly value: number;
	readonly unit: string;
}

/**
 * Nanoseconds of this thread's processor for each of `calls` operations: the median of the
 * rounds, after one that is not counted.
 * @param round does them all
 */
export function timePerCall(
	what: string,
	calls: number,
	round: () => void,
): void {
	const all: number[] = [];
	round();
	for (let i = 0; i < ROUNDS; i++) {
		const before = process.threadCpuUsage();
		round();
		const { user, system } = process.threadCpuUsage(before);
		all.push(((user + system) * 1000) / calls);
	}
	all.sort((a, b) => a - b);
	figure(what, all[ROUNDS >> 1] ?? Number.NaN, "ns");
}
