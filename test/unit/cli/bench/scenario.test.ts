import t from "tap";
import {
	makeScenario,
	rateOf,
	ScenarioError,
} from "../../../../src/cli/bench/scenario.ts";
import { readScenarios } from "../../../../src/cli/bench/scenario-file.ts";
import { filterOf, topicsOf } from "../../../../src/cli/bench/topics.ts";
import {
	benchFields,
	benchOptions,
} from "../../../../src/cli/bench-options.ts";

/** With keys as on a command line. */
function scenario(shape: string, keys: Record<string, string> = {}) {
	return makeScenario(
		shape,
		Object.entries({ shape, ...keys }).map(([key, value]) => ({
			key,
			value,
			where: "",
		})),
	);
}

function problems(work: () => unknown): string {
	try {
		work();
	} catch (error) {
		if (error instanceof ScenarioError) return error.message;
		throw error;
	}
	return "";
}

t.test("each key is an option", async (t) => {
	for (const { key } of benchFields.fields)
		t.ok(benchOptions[key.replaceAll("_", "-")], key);
});

t.test("each shape has defaults that run as they are", async (t) => {
	t.match(scenario("fanin"), { publishers: 10, subscribers: 1, lag: 1000 });
	t.match(scenario("fanout"), { publishers: 1, subscribers: 100 });
	t.match(scenario("pair"), { publishers: 10, subscribers: 10 });
	t.match(scenario("pair", { publishers: "3" }), { subscribers: 3 });
	t.match(scenario("pair", { subscribers: "4" }), { publishers: 4 });
	t.match(scenario("pub"), { publishers: 1, subscribers: 0 });
	t.match(scenario("sub"), { publishers: 0, subscribers: 1 });
	t.match(scenario("connect"), { clients: 1000, publishers: 0 });
});

t.test("a file, with what all share and what is of one", async (t) => {
	const text = [
		"port = 1884",
		"limit.lost = 0",
		"scenario.one.shape = fanout",
		"scenario.two.shape = pair # in pairs",
		"scenario.one.subscribers = 7",
		"scenario.two.limit.p99 = 20ms",
		"scenario.two.limit.lost = 5",
	].join("\n");
	const over = [{ key: "qos", value: "1", where: "--qos" }];
	const [one, two, ...rest] = readScenarios(text, "x/load.conf", over);
	t.match(one, { name: "one", shape: "fanout", port: 1884, qos: 1 });
	t.match(one, { subscribers: 7, limits: [{ figure: "lost", bound: 0 }] });
	t.match(two, { name: "two", shape: "pair", port: 1884, qos: 1 });
	t.same(
		two?.limits.map(({ figure, bound }) => [figure, bound]),
		[
			["lost", 5],
			["p99", 20_000],
		],
	);
	t.same(rest, []);
	const [only] = readScenarios("shape = sub", "x/load.conf", []);
	t.match(only, { name: "load", shape: "sub" });
});

t.test("mistakes are named with file and line", async (t) => {
	const lines: readonly (readonly [line: string, words: RegExp])[] = [
		["qos = 3", /^load\.conf:2: qos = 3: must be a whole number from 0 to 2$/],
		["qps = 3", /^load\.conf:2: qps = 3: is no key .*did you mean qos\?$/],
		["payload = 8", /^load\.conf:2: .*from 16B to 64MB$/],
		["clients = 8", /^load\.conf:2: .*means nothing to shape pair$/],
		["limit.p98 = 1s", /^load\.conf:2: .*no figure p98: .*p99/],
		["limit.p99 = soon", /^load\.conf:2: limit\.p99 = soon: must be a time/],
		["limit.broker_cpu = 5", /^load\.conf:2: .*must be a time in us, ms,/],
		[
			"subscribers = 3\npublishers = 2",
			/^load\.conf:2: .*as many as publishers/,
		],
		["rate = 5\ninterval = 1s", /^load\.conf:3: .*the same as rate/],
		["client_id = one", /^load\.conf:2: .*must have %i/],
		["client_id = %i", /^load\.conf:2: .*must have %k/],
		["payload = 64MB", /^load\.conf:2: .*more than 512 MB/],
		["nonsense", /^load\.conf:2: nonsense: is not of the form key = value$/],
	];
	for (const [line, words] of lines)
		t.match(
			problems(() => readScenarios(`shape = pair\n${line}`, "load.conf", [])),
			words,
			line,
		);
	const two = () =>
		readScenarios("shape = pub\nqos = 9\nport = 0", "load.conf", []);
	t.equal(problems(two).split("\n").length, 2, "all of them at once");
	t.match(
		problems(() => readScenarios("qos = 1", "load.conf", [])),
		/^load\.conf: shape: is missing/,
	);
	t.match(
		problems(() => scenario("fan")),
		/shape = fan: must be one of connect, pub, sub, fanin, fanout, pair/,
	);
	t.match(
		problems(() => scenario("pub", { to_ids: "9-1" })),
		/to_ids = 9-1: must be FIRST-LAST/,
	);
});

t.test("topics, and the filters that follow from them", async (t) => {
	const both = (shape: string, keys: Record<string, string> = {}) => {
		const made = scenario(shape, keys);
		return [topicsOf(made, 2), filterOf(made, 2)];
	};
	t.same(both("fanin"), [["bench/2/data"], "bench/+/data"]);
	t.same(both("fanout"), [["bench/all/data"], "bench/all/data"]);
	t.same(both("pair"), [["bench/2/data"], "bench/2/data"]);
	t.same(both("pair", { topics: "2" }), [
		["bench/2/data/0", "bench/2/data/1"],
		"bench/2/data/+",
	]);
	t.same(both("fanin", { topic: "a/%04i/%t-x", topics: "2" }), [
		["a/0002/0-x", "a/0002/1-x"],
		"a/+/+",
	]);
	t.equal(both("pair", { filter: "own/%i/#" })[1], "own/2/#");
	t.same(topicsOf(scenario("pub", { to_ids: "008-010" }), 0), [
		"008",
		"009",
		"010",
	]);
	t.same(topicsOf(scenario("pub", { to_ids: "a, b", topic: "to/%c" }), 0), [
		"to/a",
		"to/b",
	]);
});

t.test("a rate, or the time between two messages of a publisher", async (t) => {
	t.equal(rateOf(scenario("pub", { rate: "500" })), 500);
	t.equal(rateOf(scenario("pub", { interval: "2s", publishers: "100" })), 50);
	t.equal(rateOf(scenario("pub")), 0);
});
