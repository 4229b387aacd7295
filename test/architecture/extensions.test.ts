/**
 * Every extension can be deleted: its folder and its line in extensions/index.ts
 * go, and the rest still type-checks. One copy of src/ serves all of them in turn.
 */
import { spawnSync } from "node:child_process";
import {
	cpSync,
	existsSync,
	readdirSync,
	readFileSync,
	renameSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { join, relative } from "node:path";
import t from "tap";
import { projectFolder } from "./sources.ts";

const indexPath = join(projectFolder, "src/extensions/index.ts");

t.test(
	"each extension can be deleted with its line in extensions/index.ts",
	async (t) => {
		const names = extensionNames();
		const index = readIndex();
		const copy = t.testdir({ aside: {} });
		copyProject(copy);
		const before = typeErrors(copy);
		for (const name of names) {
			const folder = join(copy, "src/extensions", name);
			renameSync(folder, join(copy, "aside", name));
			writeFileSync(
				join(copy, "src/extensions/index.ts"),
				withoutExtension(index, name),
			);
			t.equal(typeErrors(copy), before, `the rest compiles without ${name}`);
			renameSync(join(copy, "aside", name), folder);
		}
	},
);

t.test("extensions/index.ts imports each extension once", async (t) => {
	const index = readIndex();
	for (const name of extensionNames()) {
		const imports = importLines(index, name);
		t.equal(imports.length, 1, `${name} is imported once`);
	}
});

function readIndex(): string {
	return existsSync(indexPath) ? readFileSync(indexPath, "utf8") : "";
}

function extensionNames(): string[] {
	return readdirSync(join(projectFolder, "src/extensions"), {
		withFileTypes: true,
	})
		.filter((entry) => entry.isDirectory())
		.map((entry) => entry.name);
}

function copyProject(copy: string): void {
	cpSync(join(projectFolder, "src"), join(copy, "src"), { recursive: true });
	symlinkSync(join(projectFolder, "node_modules"), join(copy, "node_modules"));
	cpSync(join(projectFolder, "package.json"), join(copy, "package.json"));
	const config = JSON.parse(
		readFileSync(join(projectFolder, "tsconfig.json"), "utf8"),
	);
	writeFileSync(
		join(copy, "tsconfig.json"),
		JSON.stringify({ ...config, include: ["src"] }),
	);
}

/** The text of index.ts without the extension's import and without what that import names. */
function withoutExtension(index: string, name: string): string {
	const imports = importLines(index, name);
	const symbols = imports.flatMap(importedNames);
	return index
		.split("\n")
		.filter((line) => !imports.includes(line))
		.filter(
			(line) =>
				!symbols.some((symbol) =>
					new RegExp(`^\\s*(\\.\\.\\.)?${symbol}\\b[^;]*,?\\s*(//.*)?$`).test(
						line,
					),
				),
		)
		.join("\n")
		.replace(
			new RegExp(
				`(?<=[[,]\\s*)(?:${symbols.join("|") || "$^"})(?:\\(\\))?\\s*,?\\s*`,
				"g",
			),
			"",
		);
}

function importLines(index: string, name: string): string[] {
	return index.split("\n").filter((line) => line.includes(`"./${name}/`));
}

/** `password` and `acl` of `import { password, files as acl } from "./x/y.ts"`. */
function importedNames(line: string): string[] {
	const list =
		/import\s+(?:type\s+)?\{?([^}"]*)\}?\s+from/.exec(line)?.[1] ?? "";
	return list
		.split(",")
		.map(
			(part) =>
				part
					.trim()
					.split(" as ")
					.at(-1)
					?.replace(/^\*\s*/, "")
					.trim() ?? "",
		)
		.filter((symbol) => symbol !== "");
}

/** What tsc says of a copy. The test runner's NODE_OPTIONS would load its hooks into tsc. */
function typeErrors(folder: string): string {
	const tsc = join(projectFolder, "node_modules/typescript/bin/tsc");
	const { stdout, stderr } = spawnSync(
		"env",
		["-u", "NODE_OPTIONS", process.execPath, tsc, "-p", folder],
		{ encoding: "utf8" },
	);
	return `${stdout}${stderr}`.replaceAll(
		`${relative(projectFolder, folder)}/`,
		"",
	);
}
