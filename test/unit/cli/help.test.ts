import t from "tap";
import { columns, wrapped } from "../../../src/cli/columns.ts";
import { coreCommands } from "../../../src/cli/commands.ts";
import { helpAbout } from "../../../src/cli/help.ts";
import { generalOptions, runCommand } from "../../../src/cli/program.ts";
import { extensionCommands } from "../../../src/extensions/index.ts";
import type { CommandDescription } from "../../../src/platform/command.ts";

const specs: readonly CommandDescription[] = [
	...coreCommands,
	...extensionCommands,
];
const all = [runCommand, ...specs];

t.test("every command is in the help of both names", async (t) => {
	const [broker, brokerctl] = (["broker", "brokerctl"] as const).map(
		(program) => helpAbout(program, specs, []),
	);
	for (const { name, summary } of specs) {
		t.match(broker, `\n  ${name} `);
		t.match(brokerctl, `\n  ${name} `);
		t.match(broker?.replaceAll(/\s+/g, " "), summary);
	}
	t.match(broker, "\n  run ");
	t.notMatch(brokerctl, "\n  run ");
	t.equal(new Set(all.map(({ name }) => name)).size, all.length);
});

t.test("the help of a command has its options and examples", async (t) => {
	for (const { name, options = {}, examples } of all) {
		const text = helpAbout("broker", specs, name.split(" "));
		for (const option of Object.keys({ ...options, ...generalOptions }))
			t.match(text, ` --${option}`, `${name} --${option}`);
		t.ok(examples.length > 0, `${name} has an example`);
		for (const example of examples) {
			t.match(text, `\n  broker ${example}`.trimEnd());
			t.ok(
				name === "run" || example.startsWith(name),
				`the example is of ${name}`,
			);
		}
	}
});

t.test("a group lists its commands", async (t) => {
	const text = helpAbout("brokerctl", specs, ["state"]);
	t.match(text, "Usage: brokerctl state COMMAND");
	t.match(text, "\n  state backup ");
	t.notMatch(text, "session");
});

t.test("no line is longer than 80 columns, none ends with a space", (t) => {
	const groups = all.map(({ name }) => name.split(" ").slice(0, 1));
	const pages = [[], ...groups, ...all.map(({ name }) => name.split(" "))];
	for (const about of pages) {
		const lines = helpAbout("broker", specs, about).split("\n");
		t.same(
			lines.filter((line) => line.length > 80 || /\s$/.test(line)),
			[],
			about.join(" "),
		);
	}
	t.end();
});

t.test("an option means the same to every command that takes it", async (t) => {
	const kinds = new Map<string, string | undefined>();
	for (const { options = {} } of [...all, { options: generalOptions }]) {
		for (const [name, { value }] of Object.entries(options)) {
			t.ok(!kinds.has(name) || kinds.get(name) === value, `--${name}`);
			kinds.set(name, value);
		}
	}
});

t.test("text is broken between words", async (t) => {
	t.equal(wrapped("a bb ccc", { width: 4 }), "a bb\nccc\n");
	t.equal(wrapped("a bb ccc", { width: 5, hang: 2 }), "a bb\n  ccc\n");
	t.equal(wrapped("abcdef g", { width: 3 }), "abcdef\ng\n");
	t.equal(
		columns([
			["a", "x"],
			["bcd", "y"],
		]),
		"  a    x\n  bcd  y\n",
	);
	const long = "l".repeat(40);
	t.equal(
		columns([
			[long, "x"],
			["a", "y"],
		]),
		`  ${long}\n     x\n  a  y\n`,
	);
});
