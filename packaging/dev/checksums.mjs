// dist/SHA256SUMS, which `sha256sum --check` reads.

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { distFolder } from "./binary.mjs";

export function sha256(path) {
	return createHash("sha256").update(readFileSync(path)).digest("hex");
}

/** @param {string[]} names files in dist/ */
export function writeChecksums(names) {
	const lines = [...names]
		.sort()
		.map((name) => `${sha256(join(distFolder, name))}  ${name}\n`);
	writeFileSync(join(distFolder, "SHA256SUMS"), lines.join(""));
}
