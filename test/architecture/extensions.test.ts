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
import { join } from "node:path";
import t from "tap";
import { projectFolder } from "./sources.ts";

const indexPath = join(projectFolder, "src/extensions/index.ts");

t.test(
	"each extension can be deleted with its line in extensions/index.ts",
	async (t) => {
		const names = existsSync(indexPath) ? extensionNames() : [];
		const index = names.length > 0 ? readFileSync(indexPath, "utf8") : "";
		const copy = t.testdir({ aside: {} });
		copyProject(copy);
		for (const name of names) {
			const folder = join(copy, "src/extensions", name);
			renameSync(folder, join(copy, "aside", name));
			writeFileSync(
				join(copy, "src/extensions/index.ts"),
				withoutExtension(index, name),
			);
			t.equal(typeErrors(copy), "", `without ${name} the rest compiles`);
			renameSync(join(copy, "aside", name), folder);
		}
		t.ok(names.length >= 0, `${names.length} extensions tried`);
	},
);

t.test(
	"extensions/index.ts names each extension in one import and one list entry",
	async (t) => {
		if (!existsSync(indexPath)) return;
		const index = readFileSync(indexPath, "utf8");
		for (const name of extensionNames()) {
			const imports = importLines(index, name);
			t.equal(imports.length, 1, `${name} is imported once`);
		}
	},
);

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

function typeErrors(folder: string): string {
	const tsc = join(projectFolder, "node_modules/typescript/bin/tsc");
	const result = spawnSync(process.execPath, [tsc, "-p", folder], {
		encoding: "utf8",
	});
	return `${result.stdout}${result.stderr}`;
}
