/**
 * Which stretches of the key (the topic, in byte order) a filter can match. Pure.
 *
 *     a/b      the one topic              a/b/#    a/b, then a/b/ ... a/b0
 *     a/+/c    a/ ... a0, with matcher    #  +/x   all but the topics that begin with $
 */
export interface TopicRange {
	/** Inclusive. */
	readonly from: string;
	/** Exclusive; an empty blob is above every text in SQLite's order. */
	readonly to: string | Buffer;
	/** Not every topic in here matches. */
	readonly needsMatch: boolean;
}

const ABOVE_ALL_TEXT = Buffer.alloc(0);

export function topicRanges(filter: string): TopicRange[] {
	const wildcard = filter.search(/[+#]/);
	if (wildcard < 0) return [exactly(filter)];
	const needsMatch = filter.indexOf("+") >= 0;
	if (wildcard === 0)
		return [
			{ from: "", to: "$", needsMatch },
			{ from: "%", to: ABOVE_ALL_TEXT, needsMatch }, // [MQTT-4.7.2-1]
		];
	// The wildcard stands behind a slash; "0" is the character behind it.
	const parent = filter.slice(0, wildcard - 1);
	const below = { from: `${parent}/`, to: `${parent}0`, needsMatch };
	return filter[wildcard] === "#" ? [exactly(parent), below] : [below];
}

/** What of the ranges comes after a topic. */
export function rangesAfter(
	ranges: readonly TopicRange[],
	after: string,
): TopicRange[] {
	const next = afterTopic(after);
	return ranges
		.filter(({ to }) => typeof to !== "string" || isBefore(after, to))
		.map((range) =>
			isBefore(after, range.from) ? range : { ...range, from: next },
		)
		.filter(({ from, to }) => typeof to !== "string" || isBefore(from, to));
}

function exactly(topic: string): TopicRange {
	return { from: topic, to: afterTopic(topic), needsMatch: false };
}

/** The smallest text above: no topic contains U+0000 [MQTT-4.7.3-2]. */
function afterTopic(topic: string): string {
	return `${topic}\u0000`;
}

/** In byte order, as SQLite compares; JavaScript's order differs beyond U+FFFF. */
function isBefore(a: string, b: string): boolean {
	return Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;
}
