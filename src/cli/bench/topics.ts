/** Names of clients and topics, from the templates of a scenario. Pure. */
import type { Scenario } from "./scenario.ts";

/** Topics of a group %g. */
const GROUP = 1000;
/** Ids of `--to-ids` that are kept at most. */
const MOST_IDS = 1_000_000;

/** `%i` is a number, `%04i` one with zeros. */
export function fill(
	template: string,
	values: Readonly<Record<string, string | number>>,
): string {
	return template.replace(
		/%(0\d+)?([a-z])/g,
		(whole, width: string | undefined, name: string) => {
			const value = values[name];
			if (value === undefined) return whole;
			return String(value).padStart(Number(width ?? 0), "0");
		},
	);
}

/** `0001-1000` or `a,b,c`; none when it is neither. */
export function idsOf(text: string): string[] {
	const range = /^(\d+)-(\d+)$/.exec(text);
	if (range === null)
		return text
			.split(",")
			.map((id) => id.trim())
			.filter((id) => id !== "");
	const [, first = "", last = ""] = range;
	const count = Number(last) - Number(first) + 1;
	if (!(count > 0 && count <= MOST_IDS)) return [];
	return Array.from({ length: count }, (_, at) =>
		String(Number(first) + at).padStart(first.length, "0"),
	);
}

/** What a publisher publishes to, in turn. */
export function topicsOf(scenario: Scenario, publisher: number): string[] {
	const { topic, to_ids, topics } = scenario;
	if (to_ids !== "") {
		// A common topic stays one; by default each client has the topic of its id.
		const template = topic.includes("%c") ? topic : "%c";
		return idsOf(to_ids).map((id) => fill(template, { i: publisher, c: id }));
	}
	const hasNumber = /%\d*t/.test(topic);
	const template = topics > 1 && !hasNumber ? `${topic}/%t` : topic;
	return Array.from({ length: topics }, (_, at) =>
		fill(template, { i: publisher, t: at, g: Math.floor(at / GROUP) }),
	);
}

/** What a subscriber subscribes to: all that its publishers publish. */
export function filterOf(scenario: Scenario, subscriber: number): string {
	const { filter, topic, topics, shape } = scenario;
	if (filter !== "") return fill(filter, { i: subscriber });
	const hasNumber = /%\d*t/.test(topic);
	const whole = topics > 1 && !hasNumber ? `${topic}/%t` : topic;
	const open = whole.replace(/[^/]*%\d*[tg][^/]*/g, "+");
	return shape === "pair" || shape === "sub" || shape === "offline"
		? fill(open, { i: subscriber })
		: open.replace(/[^/]*%\d*i[^/]*/g, "+");
}

/** Of a further subscription: it shares levels with the topics in use, and never matches. */
export function extraFilter(number: number): string {
	switch (number % 3) {
		case 0:
			return `bench/+/x${number}/#`;
		case 1:
			return `+/${number % 50}/y${number}`;
		default:
			return `bench/${number % 50}/d${number}/+`;
	}
}
