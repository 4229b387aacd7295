/**
 * The rules of CycloneDX 1.6 (its JSON schema) for what our bills of materials use of it:
 * required members, no unknown ones, enumerations, patterns, references that exist.
 */

type Json = Record<string, unknown>;

const componentTypes = ["application", "data", "library", "platform"];
const componentKeys = [
	...["type", "bom-ref", "group", "name", "version", "licenses", "hashes"],
	...["purl", "components"],
];
/** Of SPDX's list, those that occur. */
const licenceIds = ["0BSD", "Apache-2.0", "BSD-3-Clause", "ISC", "MIT"];
const hashLengths: Json = { "SHA-256": 64, "SHA-512": 128 };

/** @returns what is wrong with it, in words; empty when nothing is */
export function problemsOf(bom: Json): string[] {
	const problems: string[] = [];
	const demand = (holds: boolean, words: string) => {
		if (!holds) problems.push(words);
	};
	const hasOnly = (value: Json, keys: string[], where: string) => {
		for (const key of Object.keys(value))
			demand(keys.includes(key), `${where}: ${key} is not known`);
	};
	const refs = new Set<unknown>();

	const component = (value: Json) => {
		const where = String(value["bom-ref"] ?? value.name);
		hasOnly(value, componentKeys, where);
		demand(componentTypes.includes(String(value.type)), `${where}: type`);
		for (const key of ["name", "version", "bom-ref"])
			demand(isText(value[key]), `${where}: ${key}`);
		demand(!refs.has(value["bom-ref"]), `${where}: twice`);
		refs.add(value["bom-ref"]);
		if (value.purl !== undefined)
			demand(/^pkg:\w+\/\S+@\S+$/.test(String(value.purl)), `${where}: purl`);
		for (const { alg, content } of list(value.hashes))
			demand(
				new RegExp(`^[0-9a-f]{${hashLengths[String(alg)]}}$`).test(
					String(content),
				),
				`${where}: hash ${alg}`,
			);
		for (const choice of list(value.licenses)) licence(choice, where);
		for (const part of list(value.components)) component(part);
	};
	const licence = (choice: Json, where: string) => {
		hasOnly(choice, ["license"], where);
		const { id } = choice.license as Json;
		demand(
			[...licenceIds, "blessing"].includes(String(id)),
			`${where}: licence ${id}`,
		);
	};

	hasOnly(
		bom,
		[
			...["$schema", "bomFormat", "specVersion", "serialNumber", "version"],
			...["metadata", "components", "dependencies"],
		],
		"bom",
	);
	demand(bom.bomFormat === "CycloneDX", "bomFormat");
	demand(bom.specVersion === "1.6", "specVersion");
	demand(Number.isInteger(bom.version), "version");
	demand(
		/^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(
			String(bom.serialNumber),
		),
		"serialNumber",
	);
	const metadata = bom.metadata as Json;
	hasOnly(metadata, ["timestamp", "component"], "metadata");
	demand(!Number.isNaN(Date.parse(String(metadata.timestamp))), "timestamp");
	component(metadata.component as Json);
	for (const each of list(bom.components)) component(each);
	for (const { ref, dependsOn } of list(bom.dependencies)) {
		const named = [ref, ...((dependsOn ?? []) as unknown[])];
		for (const each of named) demand(refs.has(each), `no component ${each}`);
		demand(new Set(named).size === named.length, `${ref}: named twice`);
	}
	return problems;
}

function list(value: unknown): Json[] {
	return (value ?? []) as Json[];
}

function isText(value: unknown): boolean {
	return typeof value === "string" && value !== "";
}
