// Writes what is made of the tables of commands and keys: manual pages and completion.

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { coreCommands } from "../../src/cli/commands.ts";
import { renderPages } from "../../src/cli/pages.ts";
import {
	extensionCommands,
	extensionFragments,
} from "../../src/extensions/index.ts";
import { projectFolder } from "./runtime.mjs";

const pages = renderPages(
	[...coreCommands, ...extensionCommands],
	extensionFragments,
);
for (const [path, text] of pages) {
	const file = join(projectFolder, path);
	mkdirSync(dirname(file), { recursive: true });
	writeFileSync(file, text);
}
