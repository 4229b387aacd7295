/**
 * Loads `*.cases.json` and unfolds every case into its versions and variants: each
 * one is a test of its own. The form is described in README.md of this folder.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export type Version = 3 | 4 | 5;

/** Broker settings by config key. */
export type Settings = Readonly<Record<string, string | number | boolean>>;

/** As it is written in a file. */
interface RawCase {
	readonly name: string;
	/** Requirement ids; those of the older standards as `v3.1.1 MQTT-...`. */
	readonly spec?: readonly string[];
	readonly versions?: readonly Version[];
	readonly settings?: Settings;
	readonly steps: readonly string[];
	/** Texts put in for $0, $1, ...; $0 belongs to the title. */
	readonly variants?: readonly (readonly string[])[];
}

interface RawFile {
	readonly about: string;
	readonly versions: readonly Version[];
	readonly settings?: Settings;
	readonly cases: readonly RawCase[];
}

/** One test. */
export interface WireCase {
	readonly file: string;
	readonly title: string;
	readonly spec: readonly string[];
	readonly version: Version;
	readonly settings: Settings;
	readonly steps: readonly string[];
	/** The fake clock is moved: not possible against a broker over TCP. */
	readonly needsClock: boolean;
}

const VERSION_NAME = { 3: "MQTT 3.1", 4: "MQTT 3.1.1", 5: "MQTT 5" } as const;
const folder = import.meta.dirname;

/** Names of all case files without `.cases.json`. */
export function caseFileNames(): string[] {
	return readdirSync(folder)
		.filter((name) => name.endsWith(".cases.json"))
		.map((name) => name.slice(0, -".cases.json".length))
		.sort();
}

/** @throws Error naming the file when it is not JSON or has no cases */
export function loadCases(name: string): WireCase[] {
	const path = join(folder, `${name}.cases.json`);
	let file: RawFile;
	try {
		file = JSON.parse(readFileSync(path, "utf8")) as RawFile;
	} catch (cause) {
		throw new Error(`cannot read ${path}`, { cause });
	}
	const unfolded: WireCase[] = [];
	for (const raw of file.cases)
		for (const version of raw.versions ?? file.versions)
			for (const variant of raw.variants ?? [[]])
				unfolded.push(unfold(name, file, raw, version, variant));
	return unfolded;
}

function unfold(
	fileName: string,
	file: RawFile,
	raw: RawCase,
	version: Version,
	variant: readonly string[],
): WireCase {
	const fill = (text: string) =>
		text.replace(/\$(\d)/g, (whole, digit: string) => {
			return variant[Number(digit)] ?? whole;
		});
	const spec = (raw.spec ?? []).map(fill);
	const ids = spec.map((id) => ` [${id}]`).join("");
	const steps = raw.steps.map(fill);
	return {
		file: fileName,
		title: `${VERSION_NAME[version]}: ${fill(raw.name)}${ids}`,
		spec,
		version,
		settings: { ...file.settings, ...raw.settings },
		steps,
		needsClock: steps.some((step) => step.startsWith("advance ")),
	};
}
