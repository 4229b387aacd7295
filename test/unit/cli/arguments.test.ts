import t from "tap";
import { parseArguments, UsageError } from "../../../src/cli/arguments.ts";
import { coreCommands } from "../../../src/cli/commands.ts";
import { usage } from "../../../src/cli/usage.ts";
import { extensionCommands } from "../../../src/extensions/index.ts";
import type { CommandSpec } from "../../../src/platform/command.ts";

const spec = (name: string, more: Partial<CommandSpec> = {}): CommandSpec => ({
	name,
	synopsis: "",
	summary: "",
	run: async () => 0,
	...more,
});
const list = spec("thing list", { options: { limit: "text", force: "flag" } });
const remove = spec("thing rm", {
	synopsis: "NAME",
	words: { least: 1, most: 2 },
});
const parse = (...argv: string[]) => parseArguments(argv, [list, remove]);

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
});

t.test("what follows a command is counted", async (t) => {
	t.match(parse("thing", "rm", "a", "b").command, { words: ["a", "b"] });
	t.throws(() => parse("thing", "rm"), /use: broker thing rm NAME/);
	t.throws(() => parse("thing", "rm", "a", "b", "c"), UsageError);
	t.throws(() => parse("thing", "list", "a"), /use: broker thing list/);
	t.match(parse("thing", "rm", "--", "-x").command, { words: ["-x"] });
});

t.test("an option of another command is refused", async (t) => {
	t.throws(
		() => parse("thing", "rm", "a", "--limit", "5"),
		/thing rm does not take --limit/,
	);
	t.throws(() => parse("--force"), /broker does not take --force/);
	t.throws(() => parse("--nonsense"), UsageError);
	t.throws(() => parse("thing"), /unknown command: thing/);
});

t.test("every command is in the usage, which fits a terminal", async (t) => {
	const specs = [...coreCommands, ...extensionCommands];
	const text = usage(specs);
	for (const { name, summary } of specs) {
		t.match(text, `broker ${name}`);
		t.match(text, summary);
	}
	t.same(
		text.split("\n").filter((line) => line.length > 100),
		[],
	);
	t.equal(new Set(specs.map(({ name }) => name)).size, specs.length);
});
