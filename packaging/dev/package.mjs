// `npm run package`: .deb and .rpm for both architectures in dist/, beside the binaries they are
// made of, what is in those (CycloneDX), and SHA256SUMS. The same commit gives the same bytes: all times are those of the commit.

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { SCHEMA_VERSION } from "../../src/store/schema.ts";
import {
	architectures,
	buildBinaries,
	distFolder,
	strippedAddon,
} from "./binary.mjs";
import { projectVersion } from "./bundle.mjs";
import { writeChecksums } from "./checksums.mjs";
import { buildDeb } from "./deb.mjs";
import { checkAlignment, systemRequirements } from "./requirements.mjs";
import { buildRpm, rpmArchitectures } from "./rpm.mjs";
import { expectedError, projectFolder } from "./runtime.mjs";
import { writeSbom } from "./sbom.mjs";

/** Larger ones take twice the time for less than a hundredth of the size. */
const compressionLevel = 5;

const builders = { deb: buildDeb, rpm: buildRpm };

/**
 * What one package is made of.
 * @typedef {{ arch: string, binary: string, version: string, seconds: number, level: number,
 *   output: string, workFolder: string, checks: string, description: string,
 *   requirements: ReturnType<typeof systemRequirements> }} Recipe
 */

/**
 * Writes the packages; returns the exit code. `also` makes further files in dist/ and gives
 * their names, before the checksums are taken. For tests: `version` and `format` (of the
 * database) of another release, `output` for another folder, `level` 1 to 9 of compression
 * or 0 for none, `kinds` deb or rpm, and `hasBinaries` when those in dist/ are to be taken as they are.
 */
export async function buildPackages(wanted, options = {}) {
	const named = wanted.length > 0 ? wanted : architectures;
	if (!options.hasBinaries) await buildBinaries(...named);
	const output = options.output ?? distFolder;
	mkdirSync(output, { recursive: true });
	const made = [];
	for (const arch of named) {
		const recipe = recipeFor(arch, output, options);
		mkdirSync(recipe.workFolder, { recursive: true });
		for (const kind of options.kinds ?? Object.keys(builders))
			made.push(builders[kind](recipe));
		made.push(writeSbom(recipe));
	}
	if (output === distFolder)
		writeChecksums([
			...made,
			...(options.also?.() ?? []),
			...named.map((arch) => `broker-linux-${arch}`),
		]);
	for (const name of made) console.log(`${output}/${name}`);
	return 0;
}

function recipeFor(arch, output, options) {
	const binary = join(distFolder, `broker-linux-${arch}`);
	checkAlignment(binary);
	const version = options.version ?? projectVersion();
	const requirements = systemRequirements([binary, strippedAddon(arch)]);
	const values = {
		MACHINE: rpmArchitectures[arch],
		GLIBC: requirements.glibc,
		FORMAT: options.format ?? SCHEMA_VERSION,
		VERSION: version,
	};
	const common = (name) =>
		readFileSync(join(projectFolder, "packaging/common", name), "utf8");
	return {
		arch,
		binary,
		version,
		output,
		requirements,
		seconds: sourceSeconds(),
		level: Number(options.level ?? compressionLevel),
		workFolder: join(projectFolder, "build/package", `${version}-${arch}`),
		checks: common("checks.sh").replace(
			/@([A-Z]+)@/g,
			(text, name) => values[name] ?? text,
		),
		description: common("description.txt"),
	};
}

/** The time of the commit, or what SOURCE_DATE_EPOCH says; in seconds since 1970. */
function sourceSeconds() {
	const given = process.env.SOURCE_DATE_EPOCH;
	if (given !== undefined) return Number(given);
	const { status, stdout } = spawnSync("git", ["log", "-1", "--format=%ct"], {
		cwd: projectFolder,
		encoding: "utf8",
	});
	if (status === 0) return Number(stdout);
	throw expectedError(
		"No commit here whose time the packages could have: set SOURCE_DATE_EPOCH to seconds since 1970.",
	);
}

if (import.meta.main) {
	const { values, positionals } = parseArgs({
		allowPositionals: true,
		options: {
			version: { type: "string" },
			format: { type: "string" },
			output: { type: "string" },
			level: { type: "string" },
			kinds: { type: "string", multiple: true },
			"has-binaries": { type: "boolean" },
		},
	});
	try {
		process.exitCode = await buildPackages(positionals, {
			...values,
			hasBinaries: values["has-binaries"],
		});
	} catch (error) {
		console.error(error.expected === true ? error.message : error);
		process.exitCode = 1;
	}
}
