// Builds dist/broker-linux-x64 and dist/broker-linux-arm64: Node, the bundled broker, the SQLite
// addon and the licences in one file each, on either architecture. pkg's SEA mode, the simple one:
// its project mode adds a file system of its own that costs 20 MB of memory.
//
// The same sources give the same bytes: nothing in the binary tells where or when it was built.

import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
	chmodSync,
	copyFileSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	renameSync,
	rmSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import {
	binaryScripts,
	bundle,
	bundledPackages,
	sqliteVersion,
} from "./bundle.mjs";
import { licenceTexts, nodeLicence } from "./licences.mjs";
import { expectedError, npmCommand, projectFolder } from "./runtime.mjs";
import { runtimeFlags } from "./runtime-flags.mjs";

export const architectures = ["x64", "arm64"];
export const distFolder = join(projectFolder, "dist");
const buildFolder = join(projectFolder, "build");
const runtimesFolder = join(buildFolder, "runtimes");
/** GNU's names of the architectures, in the names of its tools. */
const gnuNames = { x64: "x86_64", arm64: "aarch64" };
const debianNames = { x64: "x86-64", arm64: "aarch64" };

/** Writes the binaries for the architectures named, for all when none is; returns the exit code. */
export async function buildBinaries(...wanted) {
	const named = wanted.length > 0 ? wanted : architectures;
	const unknown = named.filter((name) => !architectures.includes(name));
	if (unknown.length > 0)
		throw expectedError(
			`No binary for ${unknown.join(", ")}: name ${architectures.join(" or ")}, or nothing for both.`,
		);
	await bundle();
	mkdirSync(distFolder, { recursive: true });
	for (const arch of named) {
		const output = join(distFolder, `broker-linux-${arch}`);
		await inject(arch, output);
		const { size } = statSync(output);
		console.log(
			`dist/broker-linux-${arch} (${(size / 1024 / 1024).toFixed(1)} MiB)`,
		);
	}
	return 0;
}

/** Puts the bundle and its assets into a copy of the stripped runtime. */
async function inject(arch, output) {
	const version = runtimeVersion();
	const home = mkdtempSync(join(buildFolder, "pkg-"));
	const before = { HOME: process.env.HOME, TMPDIR: process.env.TMPDIR };
	try {
		fillPkgCache(home, arch, version);
		copyFileSync(binaryScripts.entry, join(home, "broker.cjs"));
		writeFileSync(join(home, "LICENSES"), binaryLicences());
		// pkg finds the runtime below HOME and works in a folder below TMPDIR; the path of the
		// script goes into the binary as it is given here, relative to that folder.
		Object.assign(process.env, { HOME: home, TMPDIR: home });
		const { default: pkg } = await import("pkg/lib-es5/sea.js");
		const unfinished = join(home, "broker");
		await quietly(() =>
			pkg.default(join(home, "broker.cjs"), {
				targets: [
					{
						platform: "linux",
						arch,
						nodeRange: `node${version}`,
						output: unfinished,
					},
				],
				seaConfig: {
					main: "../broker.cjs",
					assets: {
						...binaryScripts.assets,
						"better_sqlite3.node": strippedAddon(arch),
						LICENSES: join(home, "LICENSES"),
						"broker.conf": join(projectFolder, "broker.conf"),
					},
					execArgv: runtimeFlags,
					execArgvExtension: "env",
				},
			}),
		);
		chmodSync(unfinished, 0o755);
		renameSync(unfinished, output);
	} finally {
		restore(before);
		rmSync(home, { recursive: true, force: true });
	}
}

function restore(variables) {
	for (const [name, value] of Object.entries(variables)) {
		if (value === undefined) delete process.env[name];
		else process.env[name] = value;
	}
}

/** pkg tells its steps on standard output; they matter when it fails. */
async function quietly(work) {
	const lines = [];
	const { log } = console;
	console.log = (...words) => lines.push(words.join(" "));
	try {
		await work();
	} catch (error) {
		console.log = log;
		for (const line of lines) console.error(line);
		throw error;
	} finally {
		console.log = log;
	}
}

/** The layout that pkg leaves behind after a download, so that it downloads nothing. */
function fillPkgCache(home, arch, version) {
	// The runtime of this machine makes the blob, whatever it is made for.
	for (const each of new Set([arch, process.arch])) {
		const name = `node-v${version}-linux-${each}`;
		const cache = join(home, ".pkg-cache", "sea");
		const folder = join(cache, name, "bin");
		mkdirSync(folder, { recursive: true });
		copyFileSync(strippedRuntime(each, version), join(folder, "node"));
		for (const file of [
			join(folder, "node.ok"),
			join(cache, `${name}.tar.gz`),
			join(cache, `${name}.tar.gz.ok`),
		])
			writeFileSync(file, "");
	}
}

/** Stripped before anything is put into it: stripping afterwards breaks the binary. */
function strippedRuntime(arch, version) {
	const stripped = join(runtimesFolder, `node-${version}-${arch}-stripped`);
	if (existsSync(stripped)) return stripped;
	mkdirSync(runtimesFolder, { recursive: true });
	strip(arch, originalRuntime(arch, version), stripped);
	return stripped;
}

/** The very file is in the packages too, beside the binary, which knows it by its hash. */
export function strippedAddon(arch) {
	const original = join(
		projectFolder,
		`node_modules/better-sqlite3/prebuilds/linux-${arch}.node`,
	);
	mkdirSync(runtimesFolder, { recursive: true });
	const stripped = join(runtimesFolder, `better-sqlite3-${arch}.node`);
	strip(arch, original, stripped);
	return stripped;
}

function strip(arch, original, stripped) {
	const temporary = `${stripped}.${process.pid}`;
	const tool =
		arch === process.arch ? "strip" : `${gnuNames[arch]}-linux-gnu-strip`;
	const result = spawnSync(tool, ["--strip-all", "-o", temporary, original], {
		encoding: "utf8",
	});
	if (result.error !== undefined) {
		const debian =
			arch === process.arch
				? "binutils"
				: `binutils-${debianNames[arch]}-linux-gnu`;
		throw expectedError(
			`${tool} is missing, which makes the runtime smaller. Install it with\n  sudo apt-get install ${debian}`,
		);
	}
	if (result.status !== 0) throw expectedError(`${tool}: ${result.stderr}`);
	renameSync(temporary, stripped);
}

/** Node for an architecture: installed with the dependencies for this one, from npm for the other. */
function originalRuntime(arch, version) {
	const name = `node-linux-${arch}`;
	const installed = join(projectFolder, "node_modules", name);
	if (existsSync(join(installed, "bin/node"))) {
		return join(installed, "bin/node");
	}
	const folder = join(runtimesFolder, `${name}-${version}`);
	const node = join(folder, "package/bin/node");
	if (existsSync(node)) return node;
	console.error(`Getting ${name} ${version} from npm, once ...`);
	const unpacked = mkdtempSync(join(runtimesFolder, "npm-"));
	try {
		const archive = packFromNpm(`${name}@${version}`, unpacked);
		checkIntegrity(archive, `node_modules/${name}`);
		execFileSync("tar", ["-xzf", archive, "-C", unpacked, "package/bin/node"]);
		rmSync(archive);
		rmSync(folder, { recursive: true, force: true });
		renameSync(unpacked, folder);
	} finally {
		rmSync(unpacked, { recursive: true, force: true });
	}
	return node;
}

function packFromNpm(specifier, folder) {
	const [npm, npmArgs] = npmCommand();
	const result = spawnSync(
		npm,
		[
			...npmArgs,
			"pack",
			specifier,
			"--prefer-offline",
			"--loglevel=error",
			`--pack-destination=${folder}`,
		],
		{ cwd: projectFolder, encoding: "utf8" },
	);
	const file = readdirSync(folder).find((name) => name.endsWith(".tgz"));
	if (result.status !== 0 || file === undefined)
		throw expectedError(
			`npm pack ${specifier} failed:\n${result.stderr ?? result.error?.message}`,
		);
	return join(folder, file);
}

/** The lock file says what the package must be, also for the architecture that is not installed. */
function checkIntegrity(archive, lockPath) {
	const lock = JSON.parse(
		readFileSync(join(projectFolder, "package-lock.json"), "utf8"),
	);
	const wanted = lock.packages[lockPath]?.integrity;
	const hash = createHash("sha512")
		.update(readFileSync(archive))
		.digest("base64");
	if (wanted !== `sha512-${hash}`)
		throw expectedError(
			`${archive} is not what package-lock.json expects of ${lockPath}: sha512-${hash} instead of ${wanted}`,
		);
}

/** What `broker --licenses` prints. */
export function binaryLicences() {
	return licenceTexts(bundledPackages(), [
		`SQLite ${sqliteVersion()}\n\nIn the public domain; see https://sqlite.org/copyright.html`,
		`Node.js ${runtimeVersion()}\n\n${nodeLicence()}`,
	]);
}

/** The version that package.json pins. */
export function runtimeVersion() {
	const text = readFileSync(join(projectFolder, "package.json"), "utf8");
	return JSON.parse(text).optionalDependencies[`node-linux-${process.arch}`];
}

if (import.meta.main) {
	try {
		process.exitCode = await buildBinaries(...process.argv.slice(2));
	} catch (error) {
		console.error(error.expected === true ? error.message : error);
		process.exitCode = 1;
	}
}
