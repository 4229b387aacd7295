/** One scenario: its settings, complete and checked, from a command line or a file. Pure. */
import type { Assignment } from "../../config/parse.ts";
import { type ConfigProblem, formatProblem } from "../../config/problems.ts";
import { parseValue, ValueError } from "../../config/values.ts";
import type { FieldSpec } from "../../platform/config-field.ts";
import { nearestWord } from "../../platform/nearest-word.ts";
import {
	type BenchSettings,
	type BenchShape,
	benchFields,
	benchShapes,
} from "../bench-options.ts";
import { type Limit, limitNames, parseLimit } from "./limits.ts";
import { idsOf } from "./topics.ts";

export interface Scenario extends BenchSettings {
	readonly name: string;
	readonly shape: BenchShape;
	readonly limits: readonly Limit[];
}

/** Everything that is wrong, a line each. */
export class ScenarioError extends Error {
	override readonly name = "ScenarioError";

	constructor(problems: readonly ConfigProblem[]) {
		super(problems.map(formatProblem).join("\n"));
	}
}

type Given = Readonly<Record<string, string>>;

/** What differs from the table's defaults. */
const shapeDefaults: Readonly<Record<BenchShape, Given>> = {
	connect: {},
	pub: { topic: "bench/%i/data" },
	sub: { topic: "bench/+/data" },
	fanin: { publishers: "10", lag: "1000", topic: "bench/%i/data" },
	fanout: { subscribers: "100", lag: "500", topic: "bench/all/data" },
	pair: {
		publishers: "10",
		subscribers: "10",
		lag: "200",
		topic: "bench/%i/data",
	},
	offline: {
		subscribers: "10",
		topic: "bench/%i/data",
		qos: "1",
		count: "1000",
		duration: "60s",
	},
	retained: {
		topic: "bench/%g/%t",
		topics: "1000",
		qos: "1",
		window: "100",
		duration: "60s",
	},
};

/** Keys that mean something to these shapes alone. */
const ofShapes: Readonly<Record<string, readonly BenchShape[]>> = {
	clients: ["connect"],
	hold: ["connect"],
	publishers: ["pub", "fanin", "fanout", "pair"],
	subscribers: ["sub", "fanin", "fanout", "pair", "offline"],
	filter: ["fanin", "fanout", "pair", "offline", "retained"],
	keep: ["offline", "retained"],
	count: ["pub", "fanin", "fanout", "pair", "offline"],
	warm_up: ["pub", "sub", "fanin", "fanout", "pair"],
	extra_filters: ["sub", "fanin", "fanout", "pair"],
	to_ids: ["pub"],
	lag: ["fanin", "fanout", "pair"],
	rate: ["pub", "fanin", "fanout", "pair"],
	interval: ["pub", "fanin", "fanout", "pair"],
};

/** What the frames of all publishers may take in memory. */
const MOST_FRAME_BYTES = 512 * 1024 * 1024;

const fields = new Map<string, FieldSpec>(
	benchFields.fields.map((field) => [field.key, field]),
);

/**
 * @param given `shape`, `limit.FIGURE` and keys of the table; of a key that is there twice
 *   the later counts
 * @throws ScenarioError
 */
export function makeScenario(
	name: string,
	given: readonly Assignment[],
): Scenario {
	const problems: ConfigProblem[] = [];
	const shape = shapeOf(name, given, problems);
	if (shape === null) throw new ScenarioError(problems);
	const settings = new Map<string, unknown>();
	for (const field of fields.values()) {
		const text = shapeDefaults[shape][field.key] ?? field.default;
		settings.set(field.key, parseValue(field, text));
	}
	const limits = new Map<string, Limit>();
	for (const one of given) {
		try {
			if (one.key === "shape") continue;
			if (one.key.startsWith("limit.")) {
				const figure = one.key.slice("limit.".length);
				limits.set(figure, parseLimit(figure, one.value, one.where));
				continue;
			}
			const field = fields.get(one.key);
			if (field === undefined) throw new ValueError("is no key of a scenario");
			if (ofShapes[one.key]?.includes(shape) === false)
				throw new ValueError(`means nothing to shape ${shape}`);
			settings.set(one.key, parseValue(field, one.value));
		} catch (error) {
			if (!(error instanceof ValueError)) throw error;
			problems.push(problemOf(one, error.message));
		}
	}
	if (problems.length > 0) throw new ScenarioError(problems);
	const values = Object.fromEntries(settings) as unknown as BenchSettings;
	const scenario = matched(
		{ ...values, name, shape, limits: [...limits.values()] },
		new Set(given.map(({ key }) => key)),
	);
	check(scenario, given);
	return scenario;
}

function shapeOf(
	name: string,
	given: readonly Assignment[],
	problems: ConfigProblem[],
): BenchShape | null {
	const one = given.findLast(({ key }) => key === "shape");
	const shape = benchShapes.find((known) => known === one?.value);
	if (shape !== undefined) return shape;
	const allowed = `one of ${benchShapes.join(", ")}`;
	problems.push(
		one === undefined
			? {
					where: name,
					key: "shape",
					value: "",
					message: `is missing: ${allowed}`,
				}
			: { ...one, message: `must be ${allowed}` },
	);
	return null;
}

function problemOf(one: Assignment, message: string): ConfigProblem {
	const known = [
		"shape",
		...fields.keys(),
		...limitNames.map((figure) => `limit.${figure}`),
	];
	const nearest = known.includes(one.key) ? null : nearestWord(one.key, known);
	return { ...one, message, ...(nearest === null ? {} : { nearest }) };
}

/** Of pairs one number says both; who does not publish or subscribe counts 0. */
function matched(scenario: Scenario, keys: ReadonlySet<string>): Scenario {
	const { shape, publishers, subscribers } = scenario;
	switch (shape) {
		case "connect":
			return { ...scenario, publishers: 0, subscribers: 0 };
		case "pub":
			return { ...scenario, subscribers: 0 };
		case "sub":
			return { ...scenario, publishers: 0 };
		case "pair":
			return keys.has("publishers")
				? {
						...scenario,
						subscribers: keys.has("subscribers") ? subscribers : publishers,
					}
				: { ...scenario, publishers: subscribers };
		case "offline":
			return { ...scenario, publishers: subscribers };
		case "retained":
			return {
				...scenario,
				publishers: 1,
				subscribers: 1,
				retain: true,
				count: scenario.topics,
			};
		default:
			return scenario;
	}
}

/** What no key alone can tell. @throws ScenarioError */
function check(scenario: Scenario, given: readonly Assignment[]): void {
	const { shape, publishers, subscribers, payload } = scenario;
	const fail = (key: string, message: string) => {
		const one = given.findLast((each) => each.key === key);
		const { where = scenario.name, value = "" } = one ?? {};
		throw new ScenarioError([{ where, key, value, message }]);
	};
	if (shape === "pair" && publishers !== subscribers)
		fail("subscribers", `must be as many as publishers, ${publishers}`);
	if (scenario.rate > 0 && scenario.interval > 0)
		fail("interval", "means the same as rate: give one of them");
	const ids = scenario.to_ids === "" ? 0 : idsOf(scenario.to_ids).length;
	if (scenario.to_ids !== "" && ids === 0)
		fail("to_ids", "must be FIRST-LAST with digits, or ids with commas");
	const frameBytes = payload + 64;
	const topics = Math.max(scenario.topics, ids);
	if (publishers * topics * frameBytes > MOST_FRAME_BYTES)
		fail(
			"payload",
			"times publishers and topics is more than 512 MB, which the generator would have to keep",
		);
	if (!/%\d*i/.test(scenario.client_id))
		fail("client_id", "must have %i, or all would be the same client");
	if (publishers > 0 && subscribers > 0 && !scenario.client_id.includes("%k"))
		fail(
			"client_id",
			"must have %k, or publishers would take over subscribers",
		);
}

/** Messages a second of all publishers; 0 for as many as there can be. */
export function rateOf({ rate, interval, publishers }: Scenario): number {
	return interval > 0 ? (publishers * 1000) / interval : rate;
}
