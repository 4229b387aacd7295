// `npm run release`: everything that is published of a version, in dist/, from a clean tree: checked
// sources, binaries, packages, what is in them, notes, and SHA256SUMS over all of it.

import { spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { distFolder } from "./binary.mjs";
import { projectVersion } from "./bundle.mjs";
import { check } from "./check.mjs";
import { buildPackages } from "./package.mjs";
import { expectedError, projectFolder } from "./runtime.mjs";

/** Writes the release; returns the exit code. */
export async function release() {
	const version = projectVersion();
	requireCleanTree();
	// Before the work, which takes minutes.
	const notes = releaseNotes(changelog(), version);
	if ((await check()) !== 0)
		throw expectedError("The sources are not in order; see above.");
	rmSync(distFolder, { recursive: true, force: true });
	const name = `broker-${version}-notes.md`;
	await buildPackages([], {
		also: () => {
			writeFileSync(join(distFolder, name), notes);
			return [name];
		},
	});
	requireCleanTree();
	console.log(
		`dist/ has release ${version} of commit ${git("rev-parse", "HEAD")}. To publish it:\n  git tag -a v${version}`,
	);
	return 0;
}

/** @throws Error that names what is changed or not known to git */
function requireCleanTree() {
	const changed = git("status", "--porcelain");
	if (changed !== "")
		throw expectedError(
			`A release is made of a commit, and this tree differs from it:\n${changed}\nCommit it or put it away.`,
		);
}

/**
 * What CHANGELOG.md says of a version, without its heading.
 * @throws Error when it says nothing
 */
export function releaseNotes(text, version) {
	const heading = new RegExp(
		`^## \\[${version.replaceAll(".", "\\.")}\\] - \\d{4}-\\d\\d-\\d\\d$`,
		"m",
	);
	const found = heading.exec(text);
	if (found === null)
		throw expectedError(
			`CHANGELOG.md has no heading for version ${version} of package.json. Put one below Unreleased:\n  ## [${version}] - ${new Date().toISOString().slice(0, 10)}`,
		);
	const rest = text.slice(found.index + found[0].length);
	const notes = rest.split(/^(?:## |\[.*\]: )/m)[0].trim();
	if (notes === "")
		throw expectedError(
			`CHANGELOG.md says nothing of version ${version}: move the lines of Unreleased below its heading.`,
		);
	return `${notes}\n`;
}

function changelog() {
	return readFileSync(join(projectFolder, "CHANGELOG.md"), "utf8");
}

function git(...args) {
	const { status, stdout, stderr } = spawnSync("git", args, {
		cwd: projectFolder,
		encoding: "utf8",
	});
	if (status !== 0)
		throw expectedError(
			`A release is made of a commit, and git says: ${stderr}`,
		);
	return stdout.trimEnd();
}

if (import.meta.main) {
	try {
		process.exitCode = await release();
	} catch (error) {
		console.error(error.expected === true ? error.message : error);
		process.exitCode = 1;
	}
}
