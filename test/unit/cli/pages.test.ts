/** The manual pages and the completion are those of the tables, and the completion completes. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import t from "tap";
import { coreCommands } from "../../../src/cli/commands.ts";
import { renderPages } from "../../../src/cli/pages.ts";
import { runCommand } from "../../../src/cli/program.ts";
import {
	extensionCommands,
	extensionFragments,
} from "../../../src/extensions/index.ts";

const projectRoot = resolve(import.meta.dirname, "../../..");
const specs = [...coreCommands, ...extensionCommands];
const pages = renderPages(specs, extensionFragments);

t.test("the files are up to date: npm run conf", async (t) => {
	for (const [path, text] of pages)
		t.equal(readFileSync(join(projectRoot, path), "utf8"), text, path);
	// bash looks for a file of the command's name.
	const completion = pages.get("packaging/completion/broker");
	const link = join(projectRoot, "packaging/completion/brokerctl");
	t.equal(readFileSync(link, "utf8"), completion);
});

t.test("every command and option is in the manual", async (t) => {
	const page = pages.get("packaging/man/broker.1") ?? "";
	for (const { name, options = {}, examples } of [runCommand, ...specs]) {
		t.match(page, `\\fBbroker ${name}\\fR`);
		for (const option of Object.keys(options))
			t.match(page, `\\fB\\-\\-${option.replaceAll("-", "\\-")}\\fR`);
		for (const example of examples)
			t.match(page, `broker ${example.replaceAll("-", "\\-")}`.trimEnd());
	}
	t.notMatch(pages.get("packaging/man/brokerctl.1"), "brokerctl run");
});

/** What bash has to offer behind a line. */
function completions(line: string, cwd = projectRoot): string[] {
	const words = line
		.split(/ +|(=)/)
		.filter((word) => word !== undefined && word !== "");
	if (/[ =]$/.test(line) && !line.endsWith("=")) words.push("");
	const quoted = words.map((word) => `'${word}'`).join(" ");
	const script = `
		. ${projectRoot}/packaging/completion/broker
		complete -p ${words[0]} >/dev/null || exit 1
		COMP_WORDS=(${quoted}) COMP_CWORD=$((${words.length} - 1))
		_broker
		printf '%s\\n' "\${COMPREPLY[@]}"`;
	const output = execFileSync("bash", ["--norc", "-u", "-c", script], {
		cwd,
		encoding: "utf8",
	});
	return output.split("\n").filter((word) => word !== "");
}

t.test("bash completes commands", async (t) => {
	for (const program of ["broker", "brokerctl"]) {
		const first = completions(`${program} `);
		for (const { name } of specs)
			t.ok(first.includes(name.split(" ")[0] ?? ""), name);
		t.same(completions(`${program} stat`), ["status", "state"]);
		t.same(completions(`${program} state b`), ["backup"]);
		t.same(completions(`${program} -c x.conf --set a=b state re`), [
			"restore",
			"reset",
		]);
		t.same(completions(`${program} help session `), ["list", "rm"]);
	}
	t.ok(completions("broker bench ").includes("fanout"));
	t.same(completions("broker bench ru"), ["run"]);
	t.same(completions("broker bench fanin --no"), ["--no-spin"]);
	t.same(completions("broker status "), []);
	t.same(completions("broker no such "), []);
});

t.test("bash completes options", async (t) => {
	const options = completions("broker session list -");
	for (const name of ["--limit", "--after", "--json", "-c", "--socket"])
		t.ok(options.includes(name), name);
	t.notOk(options.includes("--force"));
	t.same(completions("broker state backup --f"), ["--force"]);
	t.same(completions("broker --res"), ["--reset-state"]);
	t.same(completions("broker session list --limit "), []);
});

t.test("bash completes keys and files", async (t) => {
	t.same(completions("broker --set memory_l"), ["memory_limit="]);
	const keys = completions("broker config show max_q");
	t.ok(keys.includes("max_qos") && keys.length > 1);
	t.ok(keys.every((key) => key.startsWith("max_q")));
	t.same(completions("broker config show max_qos memory_l"), ["memory_limit"]);
	const folder = t.testdir({ "one.conf": "", "two.db": "" });
	for (const line of [
		"broker -c o",
		"broker --config=o",
		"broker status --socket o",
		"broker state restore o",
		"broker bench run o",
	])
		t.same(completions(line, folder), ["one.conf"], line);
});
