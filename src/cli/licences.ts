/** What `broker --licenses` prints: the licences of everything that is in the program. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { getAsset, isSea } from "node:sea";

/** Set by the build. */
declare const __BROKER_VERSION__: string | undefined;

export function licenceTexts(): string {
	if (isSea()) return getAsset("LICENSES", "utf8");
	if (typeof __BROKER_VERSION__ === "string") {
		return readFileSync(`${import.meta.filename}.LEGAL.txt`, "utf8");
	}
	const own = join(import.meta.dirname, "../../LICENSE");
	return `${readFileSync(own, "utf8")}\nRun from its sources: the licences of other packages are in node_modules.\n`;
}
