// What of other people's work is in the binary, with its licences: the packages that esbuild put
// into the bundle, and Node with what it is made of.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { projectFolder } from "./runtime.mjs";

const line = `\n${"-".repeat(80)}\n\n`;

/**
 * @param {import("esbuild").Metafile[]} metafiles of the bundles
 * @returns the packages in them: name, version, licence (SPDX) and its text, folder below the project's
 */
export function packagesOf(metafiles) {
	const folders = metafiles
		.flatMap(({ inputs }) => Object.keys(inputs))
		.map((path) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]);
	return [...new Set(folders.filter((folder) => folder !== undefined))]
		.sort()
		.map((folder) => {
			const path = join(projectFolder, folder);
			const { name, version, licenses, ...rest } = JSON.parse(
				readFileSync(join(path, "package.json"), "utf8"),
			);
			// A list of objects is how npm had it long ago.
			const license =
				rest.license ?? licenses.map(({ type }) => type).join(" OR ");
			const text = licenceFile(path) ?? license;
			return { name, version, license, text: text.trim(), folder };
		});
}

/** Node's own licence, which holds those of all its parts. */
export function nodeLicence() {
	const folder = join(projectFolder, `node_modules/node-linux-${process.arch}`);
	const text = licenceFile(folder);
	if (text === undefined)
		throw new Error(`${folder} has no licence file; is it not installed?`);
	return text.trim();
}

/** One text of all: the project's own licence, then those of `packages`, then `more`. */
export function licenceTexts(packages, more = []) {
	const own = licenceFile(projectFolder);
	return `${[
		`broker\n\n${own.trim()}`,
		...packages.map(
			({ name, version, text }) => `${name} ${version}\n\n${text}`,
		),
		...more,
	].join(`\n${line}`)}\n`;
}

function licenceFile(folder) {
	const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
	return file && readFileSync(join(folder, file), "utf8");
}
