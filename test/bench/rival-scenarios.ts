/**
 * What `npm run bench` puts on each broker: arguments of `broker bench`, and what to take
 * from its result. The letters are those of docs and commit messages; they never change.
 */
import type { BenchResult } from "../../src/cli/bench/result.ts";

export interface RivalScenario {
	readonly id: string;
	readonly title: string;
	/** Of `broker bench`, without host, port and times. */
	readonly args: string;
	/** It lasts as long as is asked for; others end when their work is done. */
	readonly isTimed: boolean;
	/** As fast as the broker goes: below a whole core it was not at its limit. */
	readonly isFlood: boolean;
	/** Latencies say something: messages come at a fixed rate. */
	readonly hasLatency: boolean;
}

/** What one run gives for the tables; null where it says nothing. */
export interface Row {
	readonly name: string;
	/** What the rate counts. */
	readonly unit: string;
	rate(result: BenchResult): number;
	cpuMicros(result: BenchResult): number | null;
}

const flood = { isTimed: true, isFlood: true, hasLatency: false };
const steady = { isTimed: true, isFlood: false, hasLatency: true };
const once = { isTimed: false, isFlood: false, hasLatency: false };

export const rivalScenarios: readonly RivalScenario[] = [
	{
		id: "A",
		title: "fan-in QoS 0, 10 to 1",
		args: "fanin --publishers 10 --lag 1000 --nap 50",
		...flood,
	},
	{
		id: "A1",
		title: "the same without a limit",
		args: "fanin --publishers 10 --lag 0 --nap 50",
		...flood,
	},
	{
		id: "B",
		title: "fan-in QoS 1, 10 to 1",
		args: "fanin --publishers 10 --qos 1 --lag 1000 --nap 50",
		...flood,
	},
	{
		id: "C",
		title: "fan-out QoS 0, 1 to 100",
		args: "fanout --subscribers 100 --lag 500 --nap 50",
		...flood,
	},
	{
		id: "C1",
		title: "the same, one message at a time",
		args: "fanout --subscribers 100 --lag 1",
		...flood,
	},
	{
		id: "D",
		title: "fan-out QoS 1, 1 to 100",
		args: "fanout --subscribers 100 --qos 1 --lag 500 --nap 50",
		...flood,
	},
	{
		id: "E",
		title: "50 pairs QoS 1",
		args: "pair --publishers 50 --qos 1 --lag 200 --nap 50",
		...flood,
	},
	{
		id: "F",
		title: "20 pairs QoS 2",
		args: "pair --publishers 20 --qos 2 --lag 200 --nap 50",
		...flood,
	},
	{
		id: "G",
		title: "20 pairs QoS 0, 4 KiB",
		args: "pair --publishers 20 --payload 4096 --lag 100 --nap 50",
		...flood,
	},
	{
		id: "H0",
		title: "50 pairs QoS 0, 5,000/s",
		args: "pair --publishers 50 --rate 5000",
		...steady,
	},
	{
		id: "H1",
		title: "50 pairs QoS 1, 5,000/s",
		args: "pair --publishers 50 --rate 5000 --qos 1",
		...steady,
	},
	{
		id: "I",
		title: "10,000 idle connections",
		args: "connect --clients 10000 --hold 0.5s",
		...once,
	},
	{
		id: "J",
		title: "50 pairs, 100,000 wildcards",
		args: "pair --publishers 50 --lag 200 --extra-filters 100000 --nap 50",
		...flood,
	},
	{
		id: "K",
		title: "10 x 10,000 queued QoS 1",
		args: "offline --subscribers 10 --count 10000 --keep",
		...once,
	},
	{
		id: "L",
		title: "100,000 retained to #",
		args: "retained --topics 100000 --filter # --keep",
		...once,
	},
];

/** Nothing is put on the broker: its start alone. */
export const START = "M";

/** One for each line of the table: the two halves of K and L have one each. */
export function rowsOf({ id, title }: RivalScenario): Row[] {
	const delivered: Row = {
		name: `${id} ${title}`,
		unit: "messages",
		rate: ({ deliverRate }) => deliverRate,
		cpuMicros: ({ broker }) => broker?.cpuMicrosPerMessage ?? null,
	};
	if (id === "I")
		return [
			{
				...delivered,
				unit: "connections",
				rate: ({ connectRate }) => connectRate,
			},
		];
	if (id !== "K" && id !== "L") return [delivered];
	const stored: Row = {
		name: `${id} ${id === "K" ? "queueing" : "storing"} them`,
		unit: "messages",
		rate: ({ storing }) => storing?.rate ?? Number.NaN,
		cpuMicros: ({ storing }) => storing?.brokerCpuMicrosPerMessage ?? null,
	};
	return [stored, delivered];
}
