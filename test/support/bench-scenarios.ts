/** A small scenario of each shape of `broker bench`, and what every broker has to make of it. */
import type { BenchResult } from "../../src/cli/bench/result.ts";

interface Small {
	readonly sent: number;
	/** Of each message. */
	readonly copies: number;
	/** With its keys. */
	readonly words: string;
}

const scenarios: Readonly<Record<string, Small>> = {
	fanin: {
		sent: 1200,
		copies: 2,
		words: "shape=fanin publishers=4 subscribers=2 count=300 lag=50",
	},
	fanout: {
		sent: 200,
		copies: 7,
		words: "shape=fanout subscribers=7 count=200 qos=1 lag=50",
	},
	"pairs-twice": {
		sent: 500,
		copies: 1,
		words: "shape=pair publishers=5 count=100 qos=2 mqtt=5",
	},
	"pairs-large": {
		sent: 150,
		copies: 1,
		words: "shape=pair publishers=3 count=50 qos=1 topics=9 payload=70KB",
	},
	"fanin-paced": {
		sent: 120,
		copies: 1,
		words: "shape=fanin publishers=3 count=40 qos=1 rate=400 mqtt=5",
	},
	queued: {
		sent: 900,
		copies: 1,
		words: "shape=offline subscribers=3 count=300",
	},
	// The second finds nothing of the first: it has cleaned up.
	kept: { sent: 1500, copies: 1, words: "shape=retained topics=1500 mqtt=5" },
	"kept-again": {
		sent: 700,
		copies: 1,
		words: "shape=retained topics=700 filter=#",
	},
};

/** The text of a scenario file with all of them. */
export function everyShape(port: number): string {
	const lines = Object.entries(scenarios).flatMap(([name, { words }]) =>
		words
			.split(" ")
			.map((word) => `scenario.${name}.${word.replace("=", " = ")}`),
	);
	return [`port = ${port}`, "duration = 60s", ...lines]
		.map((line) => line.replace("= #", '= "#"'))
		.join("\n");
}

/** What a run has to count exactly. */
export function countsOf({ name, qos }: BenchResult) {
	const { sent = 0, copies = 0 } = scenarios[name] ?? {};
	return {
		sent,
		acknowledged: qos > 0 ? sent : 0,
		expected: sent * copies,
		received: sent * copies,
		lost: 0,
		duplicates: 0,
		reordered: 0,
		foreign: 0,
		disconnects: 0,
		endedEarly: "",
	};
}
