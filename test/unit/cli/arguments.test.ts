import t from "tap";
import { parseArguments, UsageError } from "../../../src/cli/arguments.ts";
import type { ProgramName } from "../../../src/cli/program.ts";
import { programName } from "../../../src/cli/program-name.ts";
import type { CommandSpec } from "../../../src/platform/command.ts";

const spec = (name: string, more: Partial<CommandSpec> = {}): CommandSpec => ({
	name,
	summary: "",
	examples: [],
	run: async () => 0,
	...more,
});
const list = spec("thing list", {
	options: {
		limit: { value: "N", summary: "" },
		force: { summary: "" },
		json: { summary: "" },
	},
});
const remove = spec("thing rm", {
	operands: "NAME",
	words: { least: 1, most: 2 },
});
const check = spec("config check");
const specs = [list, remove, check];
const parse = (...argv: string[]) => parseArguments(argv, specs);
const parseAs = (program: ProgramName, ...argv: string[]) =>
	parseArguments(argv, specs, program).command;

t.test("the broker runs when nothing else is said", async (t) => {
	t.same(parse().command, { name: "run" });
	t.same(parse("run").command, { name: "run" });
	t.match(parse("-c", "a.conf", "--set", "a=1", "--set", "b=2"), {
		command: { name: "run" },
		file: "a.conf",
		sets: ["a=1", "b=2"],
		resetState: false,
		socket: undefined,
	});
	t.equal(parse("--reset-state").resetState, true);
});

t.test("brokerctl starts no broker", async (t) => {
	t.same(parseAs("brokerctl"), { name: "help", about: [] });
	t.same(parseAs("brokerctl", "-c", "a.conf"), { name: "help", about: [] });
	for (const argv of [["run"], ["--reset-state"]])
		t.throws(() => parseAs("brokerctl", ...argv), /no broker is started/);
	t.match(parseAs("brokerctl", "thing", "rm", "a"), { name: "call" });
	t.match(parseAs("brokerctl", "--check-config"), {
		spec: { name: "config check" },
	});
	t.throws(
		() => parseAs("brokerctl", "thing", "rm"),
		/use: brokerctl thing rm NAME/,
	);
});

t.test("the name comes from a link, from argv0 or from a copy", async (t) => {
	const binary = "/usr/bin/broker";
	const name = (argv: string[], argv0: string, execPath = binary) =>
		programName({ argv, argv0, execPath });
	t.equal(name([binary, binary], "broker"), "broker");
	t.equal(name([binary, binary], "/usr/bin/brokerctl"), "brokerctl");
	t.equal(name([binary, "/usr/local/bin/brokerctl"], "node"), "brokerctl");
	t.equal(name(["/b", "/b"], "x", "/opt/brokerctl"), "brokerctl");
	t.equal(name(["/b/node", "/src/main.ts"], "node", "/b/node"), "broker");
	t.equal(name(["/b/node", "/brokerctl/broker.cjs"], "node"), "broker");
});

t.test("a command is found by its words, wherever options stand", async (t) => {
	const argv = "--socket /s thing --limit 5 list --json --force".split(" ");
	t.match(parse(...argv), {
		socket: "/s",
		command: {
			name: "call",
			spec: { name: "thing list" },
			words: [],
			options: { limit: "5", force: true },
			json: true,
		},
	});
	t.match(parse("--check-config", "-ca.conf"), {
		file: "a.conf",
		command: { spec: { name: "config check" } },
	});
});

t.test("what follows a command is counted", async (t) => {
	t.match(parse("thing", "rm", "a", "b").command, { words: ["a", "b"] });
	t.throws(() => parse("thing", "rm"), /use: broker thing rm NAME/);
	t.throws(() => parse("thing", "rm", "a", "b", "c"), UsageError);
	t.throws(() => parse("thing", "list", "a"), /use: broker thing list/);
	t.match(parse("thing", "rm", "--", "-x").command, { words: ["-x"] });
});

t.test("help is about what stands before it, or behind the word", async (t) => {
	t.same(parse("--help").command, { name: "help", about: [] });
	t.same(parse("help").command, { name: "help", about: [] });
	t.same(parse("thing", "-h").command, { name: "help", about: ["thing"] });
	t.match(parse("thing", "rm", "a", "--help").command, { name: "help" });
	t.same(parse("help", "thing", "rm").command, {
		name: "help",
		about: ["thing", "rm"],
	});
	t.throws(() => parse("help", "thng"), /did you mean thing\?/);
	t.same(parse("-V").command, { name: "version" });
});

t.test("a misspelt command or option is told what is near", async (t) => {
	const fails = (words: string, message: RegExp) =>
		t.throws(() => parse(...words.split(" ")), { message }, words);
	fails("thing lst", /no command thing lst; did you mean thing list\?/);
	fails("thign", /did you mean thing\?/);
	fails("thing", /thing is not complete: thing list, thing rm/);
	fails("elsewhere", /no command elsewhere$/);
	fails("thing list --limt 5", /no option --limt; did you mean --limit\?/);
	fails("thing list --zzzzzzzz", /no option --zzzzzzzz$/);
	fails("-x", /no option -x$/);
});

t.test("an option that a command does not take is refused", async (t) => {
	const fails = (words: string, message: RegExp) =>
		t.throws(() => parse(...words.split(" ")), { message }, words);
	fails("thing rm a --limit 5", /thing rm does not take --limit/);
	fails("thing rm a --reset-state", /thing rm does not take --reset-state/);
	fails("--force", /run does not take --force/);
	fails("thing list --limit", /--limit needs a value: --limit=N/);
	fails("thing list --limit --json", /--limit needs a value/);
	fails("thing list --json=yes", /--json takes no value/);
	t.match(parse("thing", "list", "--limit=-5").command, {
		options: { limit: "-5" },
	});
});
