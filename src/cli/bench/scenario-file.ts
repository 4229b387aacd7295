/**
 * A scenario file, in the form of broker.conf. Keys without a name count for all scenarios,
 * `scenario.NAME.KEY` for one; they run in the order in which their names appear. A file
 * without names is one scenario.
 *
 *     port = 1883
 *     limit.lost = 0
 *     scenario.alarms.shape = fanout
 *     scenario.alarms.subscribers = 100
 *     scenario.alarms.limit.p99 = 20ms
 */
import { basename } from "node:path";
import { type Assignment, parseConfigText } from "../../config/parse.ts";
import { makeScenario, type Scenario, ScenarioError } from "./scenario.ts";

const OF_ONE = /^scenario\.([\w-]+)\.(.+)$/;

/**
 * @param over what counts more than the file
 * @throws ScenarioError with all mistakes of the file, or of its first scenario with any
 */
export function readScenarios(
	text: string,
	file: string,
	over: readonly Assignment[],
): Scenario[] {
	const { assignments, problems } = parseConfigText(text, file);
	if (problems.length > 0) throw new ScenarioError(problems);
	const shared: Assignment[] = [];
	const own = new Map<string, Assignment[]>();
	for (const one of assignments) {
		const [, name = "", key = ""] = OF_ONE.exec(one.key) ?? [];
		if (name === "") shared.push(one);
		else own.set(name, [...(own.get(name) ?? []), { ...one, key }]);
	}
	if (own.size === 0) {
		const name = basename(file).replace(/\.[^.]*$/, "");
		return [make(name, file, [...shared, ...over])];
	}
	return [...own].map(([name, lines]) =>
		make(name, file, [...shared, ...lines, ...over]),
	);
}

function make(
	name: string,
	file: string,
	given: readonly Assignment[],
): Scenario {
	if (given.some(({ key }) => key === "shape"))
		return makeScenario(name, given);
	throw new ScenarioError([
		{
			where: file,
			key: "shape",
			value: "",
			message: `is missing for scenario ${name}`,
		},
	]);
}
