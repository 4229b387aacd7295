/**
 * The source files as the architecture tests see them: paths and texts, nothing
 * resolved or run.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const projectFolder = fileURLToPath(
	new URL("../..", import.meta.url),
).replace(/\/$/, "");

export interface SourceFile {
	/** Below src/, with forward slashes: `protocol/publish.ts`. */
	readonly path: string;
	readonly text: string;
}

/** All TypeScript files of src/, sorted by path. */
export function readSources(): SourceFile[] {
	const folder = join(projectFolder, "src");
	return readdirSync(folder, { recursive: true, withFileTypes: true })
		.filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
		.map((entry) => join(entry.parentPath, entry.name))
		.sort()
		.map((file) => ({
			path: relative(folder, file),
			text: readFileSync(file, "utf8"),
		}));
}
