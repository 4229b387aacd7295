import { matches } from "../protocol/topic.ts";

/** How seldom the retained messages of some topics are written (`retained.<filter>.write_every`). */
export interface WriteRule {
	/** A plain topic filter. */
	readonly filter: string;
	/** 0 for no rule of its own: with all others. */
	readonly everyMs: number;
}

/**
 * The rules in the order in which they count: of two that match a topic, the one that is
 * more particular at the first level where they differ. Immutable.
 *
 *     house/kitchen/power  before  house/+/power  before  house/#
 */
export class WriteRules {
	readonly #rules: readonly WriteRule[];

	constructor(rules: readonly WriteRule[]) {
		this.#rules = [...rules].sort((a, b) => compare(a.filter, b.filter));
	}

	/** Ms between two writes of the topic; 0 when no rule says. */
	everyMs(topic: string): number {
		for (const { filter, everyMs } of this.#rules)
			if (matches(filter, topic)) return everyMs;
		return 0;
	}
}

function compare(a: string, b: string): number {
	const others = b.split("/");
	for (const [index, level] of a.split("/").entries()) {
		const difference = generality(level) - generality(others[index]);
		if (difference !== 0) return difference;
		// Of two names at one place no topic matches both: any order will do.
		if (level !== others[index]) return level < (others[index] ?? "") ? -1 : 1;
	}
	return -1;
}

function generality(level: string | undefined): number {
	if (level === "#") return 2;
	return level === "+" ? 1 : 0;
}
