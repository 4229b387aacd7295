/** The manual pages have no mistakes that the formatters know of. 2 s. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import t from "tap";

const folder = resolve(import.meta.dirname, "../../packaging/man");

const pages = readdirSync(folder);
t.ok(pages.includes("broker.1"));
for (const page of pages) {
	const path = join(folder, page);
	t.test(page, async (t) => {
		t.equal(said("groff", ["-ww", "-man", "-Tutf8", path]), "");
		// Without a date they are the same bytes until something changes.
		const lint = said("mandoc", ["-Tlint", "-Wwarning", path]);
		t.equal(lint.replaceAll(/^.*missing date.*\n/gm, ""), "");
	});
}

/** On standard error, or as its lint on standard output. */
function said(program: string, args: readonly string[]): string {
	const { error, stdout, stderr } = spawnSync(program, args, {
		encoding: "utf8",
	});
	if (error !== undefined) throw error;
	return args.includes("-Tlint") ? stdout + stderr : stderr;
}
