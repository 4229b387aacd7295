/** The bundle of the sources as they are now. */
import { execFile } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const projectRoot = resolve(import.meta.dirname, "../..");
const bundle = join(projectRoot, "build/broker.cjs");

/** Makes it anew if need be. @returns its path */
export async function freshBundle(): Promise<string> {
	if (isOutOfDate()) {
		await promisify(execFile)(
			process.execPath,
			[join(projectRoot, "build.mjs"), "bundle"],
			{ cwd: projectRoot },
		);
	}
	return bundle;
}

/** The bundle is missing, or older than a file it was made of. */
function isOutOfDate(): boolean {
	if (!existsSync(bundle)) return true;
	const builtMs = statSync(bundle).mtimeMs;
	return readdirSync(join(projectRoot, "src"), {
		recursive: true,
		withFileTypes: true,
	}).some(
		(entry) =>
			entry.isFile() &&
			statSync(join(entry.parentPath, entry.name)).mtimeMs > builtMs,
	);
}
