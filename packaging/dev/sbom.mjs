// The bill of materials of a binary, in CycloneDX 1.6: the packages that esbuild put into the
// bundle (by its metafile, not by what is installed), SQLite, and Node with its own parts.

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { distFolder, runtimeVersion } from "./binary.mjs";
import { bundledPackages, projectVersion, sqliteVersion } from "./bundle.mjs";
import { sha256 } from "./checksums.mjs";
import { projectFolder } from "./runtime.mjs";

/** Of process.versions: not parts, but numbers of interfaces, and Node itself. */
const notParts = new Set(["node", "modules", "napi"]);
const sqliteRef = () => `pkg:generic/sqlite@${sqliteVersion()}`;
const nodeRef = () => `pkg:generic/node@${runtimeVersion()}`;

/**
 * Writes broker-linux-ARCH.cdx.json for the binary in dist/.
 * @param {{ arch: string, output: string, seconds: number }} recipe the folder it goes to,
 *   and the time in it
 * @returns {string} its name
 */
export function writeSbom({ arch, output, seconds }) {
	const binary = `broker-linux-${arch}`;
	const bom = describe(arch, sha256(join(distFolder, binary)), seconds);
	const name = `${binary}.cdx.json`;
	writeFileSync(join(output, name), `${JSON.stringify(bom, null, "\t")}\n`);
	return name;
}

function describe(arch, hash, seconds) {
	const packages = bundledPackages();
	const root = `pkg:generic/broker@${projectVersion()}?arch=${arch}`;
	return {
		$schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
		bomFormat: "CycloneDX",
		specVersion: "1.6",
		serialNumber: `urn:uuid:${uuidOf(hash)}`,
		version: 1,
		metadata: {
			timestamp: new Date(seconds * 1000).toISOString(),
			component: {
				type: "application",
				"bom-ref": root,
				name: "broker",
				version: projectVersion(),
				licenses: [{ license: { id: "Apache-2.0" } }],
				hashes: [{ alg: "SHA-256", content: hash }],
			},
		},
		components: [
			nodeComponent(arch),
			{
				type: "library",
				"bom-ref": sqliteRef(),
				name: "sqlite",
				version: sqliteVersion(),
				licenses: [{ license: { id: "blessing" } }],
				purl: sqliteRef(),
			},
			...packages.map(npmComponent),
		],
		dependencies: dependencies(root, packages),
	};
}

/**
 * Node with what it holds by its own account. The runtime that builds is asked: for the
 * other architecture the same version has the same parts.
 */
function nodeComponent(arch) {
	if (process.versions.node !== runtimeVersion())
		throw new Error(
			`this must run on Node ${runtimeVersion()}, whose parts are listed`,
		);
	const parts = Object.entries(process.versions).filter(
		([name, version]) => !notParts.has(name) && version !== "",
	);
	return {
		type: "platform",
		"bom-ref": nodeRef(),
		name: "node",
		version: runtimeVersion(),
		licenses: [{ license: { id: "MIT" } }],
		hashes: lockedHashes(`node_modules/node-linux-${arch}`),
		purl: nodeRef(),
		components: parts.map(([name, version]) => ({
			type: ["cldr", "tz", "unicode"].includes(name) ? "data" : "library",
			"bom-ref": `${nodeRef()}#${name}`,
			name,
			version,
		})),
	};
}

function npmComponent({ name, version, license, folder }) {
	const [last, scope] = name.split("/").reverse();
	return {
		type: "library",
		"bom-ref": npmRef({ name, version }),
		...(scope && { group: scope }),
		name: last,
		version,
		licenses: [
			/\s/.test(license)
				? { expression: license }
				: { license: { id: license } },
		],
		hashes: lockedHashes(folder),
		purl: npmRef({ name, version }),
	};
}

function npmRef({ name, version }) {
	return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

/** What the lock file demands of the package as it was fetched. */
function lockedHashes(path) {
	const lock = JSON.parse(
		readFileSync(join(projectFolder, "package-lock.json"), "utf8"),
	);
	const [algorithm, base64] = lock.packages[path].integrity.split("-");
	if (algorithm !== "sha512")
		throw new Error(`package-lock.json: ${path} has a hash of ${algorithm}`);
	const content = Buffer.from(base64, "base64").toString("hex");
	return [{ alg: "SHA-512", content }];
}

/** Who asks for whom, among what is in the binary. */
function dependencies(root, packages) {
	const asks = (folder) => {
		const text = readFileSync(
			join(projectFolder, folder, "package.json"),
			"utf8",
		);
		const { dependencies = {} } = JSON.parse(text);
		return packages
			.filter(({ name }) => Object.hasOwn(dependencies, name))
			.map(npmRef);
	};
	return [
		{ ref: root, dependsOn: [nodeRef(), ...asks(".")] },
		...packages.map((each) => ({
			ref: npmRef(each),
			dependsOn: [
				...(each.name === "better-sqlite3" ? [sqliteRef()] : []),
				...asks(each.folder),
			],
		})),
		{ ref: nodeRef() },
		{ ref: sqliteRef() },
	];
}

/** The same binary has the same number. */
function uuidOf(hash) {
	const bytes = createHash("sha256").update(hash).digest().subarray(0, 16);
	bytes[6] = (bytes[6] & 0x0f) | 0x80; // version 8: of one's own making
	bytes[8] = (bytes[8] & 0x3f) | 0x80;
	return bytes
		.toString("hex")
		.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
