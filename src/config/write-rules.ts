/**
 * The keys `retained.<filter>.write_every`: a topic filter inside a key. Pure functions.
 */
import type { FieldSpec } from "../platform/config-field.ts";
import { checkTopicFilter } from "../protocol/topic.ts";
import type { Settings } from "./schema.ts";
import { ValueError } from "./values.ts";

const PREFIX = "retained.";
const SUFFIX = ".write_every";

export interface WriteRuleSetting {
	readonly key: string;
	readonly filter: string;
	/** 0 for an exception. */
	readonly everyMs: number;
}

/** All that are set. Made anew each time: a reload changes the settings in place. */
export function writeRules(settings: Settings): WriteRuleSetting[] {
	return Object.entries(settings)
		.filter(([key]) => key.startsWith(PREFIX) && key.endsWith(SUFFIX))
		.map(([key, value]) => ({
			key,
			filter: key.slice(PREFIX.length, -SUFFIX.length),
			everyMs: Number(value),
		}));
}

/** @throws ValueError when a key with a place for a topic filter has none there */
export function checkFilterIn(field: FieldSpec, key: string): void {
	const [before = "", after] = field.key.split("<filter>");
	if (after === undefined) return;
	const filter = key.slice(before.length, -after.length);
	const problem = filter.startsWith("$share/")
		? "is that of a shared subscription"
		: checkTopicFilter(filter);
	if (problem !== null)
		throw new ValueError(
			`its topic filter ${JSON.stringify(filter)} ${problem}: write it as in a subscription, ${before}house/+/power${after}`,
		);
}
