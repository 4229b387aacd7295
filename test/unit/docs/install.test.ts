/** What docs/install.md tells people to type exists: commands, options, keys, paths, links. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { parseArguments } from "../../../src/cli/arguments.ts";
import { coreCommands } from "../../../src/cli/commands.ts";
import { loadConfig } from "../../../src/config/config.ts";
import { KeyTable } from "../../../src/config/key-table.ts";
import { coreFragments } from "../../../src/config/schema.ts";
import {
	extensionCommands,
	extensionFragments,
} from "../../../src/extensions/index.ts";
import {
	blocksOf,
	projectRoot as root,
	pageText as text,
} from "../../support/install-page.ts";
import { optionsOf } from "../config/load.ts";

const specs = [...coreCommands, ...extensionCommands];
const blocks = blocksOf(text);

/** `key = value` lines, of files and quoted for a shell. */
const settings = (lines: readonly string[]) =>
	lines.flatMap((line) => line.match(/^[a-z][\w.]* = .*$/)?.[0] ?? []);

/** Calls of the broker, without sudo, comments and what comes behind them. */
const calls = blocks
	.flat()
	.concat([...text.matchAll(/`([^`\n]+)`/g)].map(([, code = ""]) => code))
	.map((line) => line.replace(/\s+#.*$/, "").replace(/^sudo /, ""))
	.filter((line) => /^broker( |$)/.test(line));

t.test("every call of the broker can be made", async (t) => {
	t.ok(calls.length > 12, `${calls.length} calls`);
	for (const call of calls) {
		const words = call.split(/\s+/).slice(1);
		const { command } = parseArguments(words, specs);
		t.ok(command, call);
	}
	for (const name of ["import mosquitto", "state backup", "state restore"])
		t.ok(
			calls.some((call) => call.startsWith(`broker ${name}`)),
			name,
		);
});

t.test("what goes into files is valid", async (t) => {
	const files = blocks
		.map(settings)
		.filter((lines) => lines.length > 0)
		.concat(
			[...text.matchAll(/printf '%s\\n' ('[^|]*') \|/g)].map(
				([, quoted = ""]) =>
					[...quoted.matchAll(/'([^']*)'/g)].map(([, line = ""]) => line),
			),
		);
	t.ok(files.length >= 3, `${files.length} files`);
	for (const lines of files) {
		const file = join(t.testdir(), "broker.conf");
		writeFileSync(file, `${lines.join("\n")}\n`);
		const fragments = extensionFragments;
		const config = loadConfig(optionsOf({ file, fragments }));
		t.equal(config.entries.size, lines.length, lines.join("; "));
	}
});

t.test("every key that is named exists", async (t) => {
	const table = new KeyTable([...coreFragments, ...extensionFragments]);
	const quoted = [...text.matchAll(/`([a-z]+(?:[_.][a-z_]+)+)(?: = [^`]*)?`/g)]
		.map(([, key = ""]) => key)
		.filter(
			(key) => !/\.(conf|conf\.d|d|db|sock|service|socket|deb|rpm)$/.test(key),
		)
		.filter((key) => !mosquittos.has(key));
	t.ok(quoted.length > 5, quoted.join(" "));
	for (const key of quoted) t.ok(table.find(key), key);
});

/** Named as what they are in mosquitto, commands, or services. */
const mosquittos = new Set(["password_file", "acl_file", "log_dest"]);

t.test(
	"every path of ours is in a unit, a package or the project",
	async (t) => {
		const units = ["broker.service", "broker@.service"].map((name) =>
			readFileSync(join(root, "systemd", name), "utf8"),
		);
		t.match(units[0], /^StateDirectory=broker$/m);
		t.match(units[0], /^RuntimeDirectory=broker$/m);
		t.match(units[1], /^StateDirectory=broker-%i$/m);
		t.match(units[1], /^RuntimeDirectory=broker-%i$/m);
		t.match(units[1], "-c /etc/broker/%i.conf");
		for (const [path] of text.matchAll(/\b(?:packaging|docs|test)\/[\w./-]+/g))
			t.ok(existsSync(join(root, path)), path);
	},
);

t.test("every link leads somewhere", async (t) => {
	const anchors = new Map<string, number>();
	for (const [, title = ""] of text.matchAll(/^#+ (.*)$/gm)) {
		const plain = title
			.toLowerCase()
			.replace(/[^\w\- ]/g, "")
			.replaceAll(" ", "-");
		anchors.set(plain, (anchors.get(plain) ?? 0) + 1);
	}
	for (const [, link = ""] of text.matchAll(/\]\(#([^)]*)\)/g)) {
		const [, name = link, count] = /^(.*)-(\d+)$/.exec(link) ?? [];
		const isThere =
			anchors.has(link) || (anchors.get(name) ?? 0) > Number(count ?? 0);
		t.ok(isThere, `#${link}`);
	}
	for (const [, link = ""] of text.matchAll(/\]\(([^#)][^)]*)\)/g))
		t.ok(existsSync(join(root, "docs", link)), link);
});
