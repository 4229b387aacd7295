/**
 * Where each requirement of the standards is fulfilled and tested: ids are found in
 * the comments of src/ and in the titles and cases of test/. Nothing here is kept by
 * hand but the two tables of requirements.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const projectFolder = fileURLToPath(new URL("../..", import.meta.url)).replace(
	/\/$/,
	"",
);
const tables = ["requirements-v5.tsv", "requirements-v3.tsv"];

export interface Requirement {
	/** `MQTT-3.3.1-4`, `v3.1.1 MQTT-3.1.2-24` or `v3.1 section 3.1`. */
	readonly id: string;
	readonly appliesTo: "server" | "client" | "both";
	readonly wording: string;
	/** Why the broker knowingly does otherwise; empty when it does not. */
	readonly departure: string;
}

export interface Trace extends Requirement {
	/** `src/protocol/publish.ts:31`. */
	readonly fulfilledAt: readonly string[];
	readonly testedAt: readonly string[];
}

export interface Traceability {
	readonly traces: readonly Trace[];
	/** Server requirements with no place at all and no stated departure; "as ..." rows count by their model. */
	readonly missing: readonly Trace[];
	/** `id at file:line` for ids that no table has. */
	readonly unknown: readonly string[];
}

/** Reads the tables, searches the sources and the tests, and puts them together. */
export function traceRequirements(): Traceability {
	const requirements = tables.flatMap(readTable);
	const fulfilled = findIds("src", /\.ts$/);
	const tested = findIds("test", /\.(test\.ts|cases\.json)$|fixtures\/.*\.ts$/);
	const traces = requirements.map((requirement) => {
		const ids = [requirement.id, sameRule(requirement)];
		return {
			...requirement,
			fulfilledAt: ids.flatMap((id) => fulfilled.get(id) ?? []),
			testedAt: ids.flatMap((id) => tested.get(id) ?? []),
		};
	});
	const known = new Set(requirements.map(({ id }) => id));
	return {
		traces,
		missing: traces.filter(isMissing),
		unknown: [...fulfilled, ...tested]
			.filter(([id]) => !known.has(id))
			.flatMap(([id, places]) => places.map((place) => `${id} at ${place}`)),
	};
}

/** The number of the same rule in MQTT 5.0, for a row that reads "as MQTT-..."; else "". */
function sameRule({ wording }: Requirement): string {
	return /^as (MQTT-\S+)$/.exec(wording)?.[1] ?? "";
}

function isMissing(trace: Trace): boolean {
	return (
		trace.appliesTo !== "client" &&
		trace.departure === "" &&
		sameRule(trace) === "" &&
		trace.fulfilledAt.length + trace.testedAt.length === 0
	);
}

function readTable(name: string): Requirement[] {
	const text = readFileSync(new URL(name, import.meta.url), "utf8");
	return text
		.split("\n")
		.filter((line) => line !== "" && !line.startsWith("#"))
		.map((line) => {
			const [id = "", appliesTo, wording = "", departure = ""] =
				line.split("\t");
			if (
				wording === "" ||
				(appliesTo !== "server" &&
					appliesTo !== "client" &&
					appliesTo !== "both")
			) {
				throw new Error(`${name}: not a requirement: ${line}`);
			}
			return { id, appliesTo, wording, departure };
		});
}

/** All ids in the files of a folder, with the places they are at. */
function findIds(folder: string, files: RegExp): Map<string, string[]> {
	const places = new Map<string, string[]>();
	const entries = readdirSync(join(projectFolder, folder), {
		recursive: true,
		withFileTypes: true,
	});
	for (const entry of entries) {
		const path = join(entry.parentPath, entry.name);
		if (!entry.isFile() || !files.test(path)) continue;
		const lines = readFileSync(path, "utf8").split("\n");
		for (const [index, line] of lines.entries()) {
			const place = `${relative(projectFolder, path)}:${index + 1}`;
			for (const id of idsIn(line)) {
				places.set(id, [...(places.get(id) ?? []), place]);
			}
		}
	}
	return places;
}

/** The ids in a line; `MQTT-4.8.2-4, -5` names two. */
export function idsIn(line: string): string[] {
	const numbered =
		/\b(v3\.1\.1 )?MQTT-(\d+\.\d+(?:\.\d+)?)-(\d+)((?:, ?-\d+)*)/g;
	const ids = [...line.matchAll(numbered)].flatMap(
		([, version = "", section, first, others = ""]) =>
			[first, ...others.split(/, ?-/).slice(1)].map(
				(number) => `${version}MQTT-${section}-${number}`,
			),
	);
	const sections = [...line.matchAll(/\bv3\.1 section \d+(?:\.\d+)*/g)];
	return [...ids, ...sections.map(([id]) => id)];
}
