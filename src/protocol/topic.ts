/**
 * Topic names and topic filters as strings: validity, shared subscriptions, and a
 * plain matcher that the topic tree is tested against. Pure functions.
 */

export { isValidUtf8 } from "./utf8.ts";

const SLASH = 0x2f;
const PLUS = 0x2b;
const HASH = 0x23;
const SHARE_PREFIX = "$share/";
/** The length prefix of a string has two bytes [MQTT-4.7.3-3]. */
const MAX_TOPIC_BYTES = 65_535;

/** A shared subscription taken apart: `$share/{group}/{filter}`. */
export interface SharedFilter {
	readonly group: string;
	readonly filter: string;
}

/** How many levels a topic name or filter has: one more than it has slashes. */
export function levelCount(topic: string): number {
	let levels = 1;
	for (let at = 0; at < topic.length; at++)
		if (topic.charCodeAt(at) === SLASH) levels++;
	return levels;
}

/** What is wrong with any topic, name or filter; null when nothing. */
function checkTopic(topic: string, maxLevels: number): string | null {
	if (topic.length === 0) return "is empty"; // [MQTT-4.7.3-1]
	if (
		topic.length * 3 > MAX_TOPIC_BYTES &&
		Buffer.byteLength(topic) > MAX_TOPIC_BYTES
	)
		return `is longer than ${MAX_TOPIC_BYTES} bytes`; // [MQTT-4.7.3-3]
	let levels = 1;
	let hasSurrogates = false;
	for (let at = 0; at < topic.length; at++) {
		const code = topic.charCodeAt(at);
		if (code === 0) return "contains U+0000"; // [MQTT-4.7.3-2]
		if (code === SLASH) levels++;
		else if (code >= 0xd800 && code < 0xe000) hasSurrogates = true;
	}
	if (hasSurrogates && !topic.isWellFormed()) return "is not valid Unicode"; // [MQTT-1.5.4-1]
	if (levels > maxLevels)
		return `has ${levels} levels, the limit is ${maxLevels}`;
	return null;
}

/**
 * Says what is wrong with a topic name, as the end of a sentence ("contains a
 * wildcard"); null when it is fine.
 * @param maxLevels Infinity for no limit
 */
export function checkTopicName(
	topic: string,
	maxLevels = Number.POSITIVE_INFINITY,
): string | null {
	const problem = checkTopic(topic, maxLevels);
	if (problem !== null) return problem;
	for (let at = 0; at < topic.length; at++) {
		const code = topic.charCodeAt(at);
		if (code === PLUS || code === HASH) return "contains a wildcard"; // [MQTT-3.3.2-2] [MQTT-4.7.0-1]
	}
	return null;
}

/**
 * Says what is wrong with a topic filter, shared or not, as the end of a sentence;
 * null when it is fine.
 * @param maxLevels Infinity for no limit; `$share/{group}/` does not count
 */
export function checkTopicFilter(
	filter: string,
	maxLevels = Number.POSITIVE_INFINITY,
): string | null {
	if (!filter.startsWith(SHARE_PREFIX))
		return checkPlainFilter(filter, maxLevels);
	const slash = filter.indexOf("/", SHARE_PREFIX.length);
	const group = filter.slice(
		SHARE_PREFIX.length,
		slash === -1 ? filter.length : slash,
	);
	if (group === "") return "has an empty share name"; // [MQTT-4.8.2-1]
	if (group.includes("+") || group.includes("#"))
		return "has a wildcard in its share name"; // [MQTT-4.8.2-2]
	if (slash === -1 || slash === filter.length - 1)
		return "has no topic filter behind its share name"; // [MQTT-4.8.2-2]
	return (
		checkTopic(group, 1) ?? checkPlainFilter(filter.slice(slash + 1), maxLevels)
	);
}

function checkPlainFilter(filter: string, maxLevels: number): string | null {
	const problem = checkTopic(filter, maxLevels);
	if (problem !== null) return problem;
	const last = filter.length - 1;
	for (let at = 0; at <= last; at++) {
		const code = filter.charCodeAt(at);
		if (code !== PLUS && code !== HASH) continue;
		const beginsLevel = at === 0 || filter.charCodeAt(at - 1) === SLASH;
		if (code === HASH && at !== last)
			return "has a # that is not its last character"; // [MQTT-4.7.1-1]
		if (!beginsLevel) return "has a wildcard inside a level"; // [MQTT-4.7.1-1] [MQTT-4.7.1-2]
		if (code === PLUS && at !== last && filter.charCodeAt(at + 1) !== SLASH)
			return "has a wildcard inside a level"; // [MQTT-4.7.1-2]
	}
	return null;
}

/** Takes a shared filter apart; null for any filter that is not a valid shared one. */
export function parseShared(filter: string): SharedFilter | null {
	if (!filter.startsWith(SHARE_PREFIX)) return null;
	if (checkTopicFilter(filter) !== null) return null;
	const slash = filter.indexOf("/", SHARE_PREFIX.length);
	return {
		group: filter.slice(SHARE_PREFIX.length, slash),
		filter: filter.slice(slash + 1),
	};
}

/**
 * Does a (plain) filter match a topic name? Compares level by level; for tests and
 * for rare questions, the broker itself walks its tree.
 */
export function matches(filter: string, topic: string): boolean {
	if (
		topic.startsWith("$") &&
		(filter.startsWith("+") || filter.startsWith("#"))
	)
		return false; // [MQTT-4.7.2-1]
	const filterLevels = filter.split("/");
	const topicLevels = topic.split("/");
	for (const [index, level] of filterLevels.entries()) {
		if (level === "#") return true; // the parent level matches as well [MQTT-4.7.1-1]
		if (index >= topicLevels.length) return false;
		if (level !== "+" && level !== topicLevels[index]) return false; // [MQTT-4.7.3-4]
	}
	return filterLevels.length === topicLevels.length;
}

/** Topics of the broker itself, to which clients may not publish. */
export function isReservedTopic(topic: string): boolean {
	return topic.startsWith("$SYS/") || topic === "$SYS";
}
