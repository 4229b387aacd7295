// Builds build/broker.cjs: the whole broker as one CommonJS file. The store's worker thread is
// bundled on its own and embedded as text, because there is no file to start it from; in a
// binary it is a script beside the program, which begins first (src/entry.ts).

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { licenceTexts, packagesOf } from "./licences.mjs";
import { projectFolder } from "./runtime.mjs";

const buildFolder = join(projectFolder, "build");
const sourceFolder = join(projectFolder, "src");
const packagesFile = join(buildFolder, "broker.cjs.packages.json");
const workerEntry = join(projectFolder, "src/store/worker.ts");
const firstEntry = join(projectFolder, "src/entry.ts");
const mainEntry = join(projectFolder, "src/main.ts");

/** Functions of Node's that the running broker does not call, or not before it serves: their modules wait for that. */
const lazyNames = {
	"node:child_process": ["execFile", "execFileSync", "spawn", "spawnSync"],
	"node:crypto": ["createHash", "randomBytes", "randomInt", "randomUUID"],
	"node:http": ["createServer", "request"],
	"node:readline/promises": ["createInterface"],
};

/**
 * Modules of Node that ws loads for its client and for compression, which the broker does not
 * use. Loaded when they are needed, which is never, they take 4 MB less of RSS.
 */
const lazyModules = {
	name: "lazy modules",
	setup(build) {
		for (const [path, names] of Object.entries(lazyNames)) {
			const filter = new RegExp(`^${path}$`);
			build.onResolve({ filter }, ({ importer, namespace }) =>
				importer.startsWith(sourceFolder) && namespace === "file"
					? { path, namespace: "lazy names", pluginData: names }
					: undefined,
			);
		}
		build.onLoad(
			{ filter: /.*/, namespace: "lazy names" },
			({ path, pluginData }) => ({
				contents: [
					"let loaded;",
					...pluginData.map(
						(name) =>
							`export const ${name} = (...args) => (loaded ??= require("${path}")).${name}(...args);`,
					),
				].join("\n"),
				resolveDir: projectFolder,
			}),
		);
		build.onResolve({ filter: /^(https|tls|zlib)$/ }, ({ path, importer }) =>
			importer.includes("/node_modules/ws/")
				? { path, namespace: "lazy" }
				: undefined,
		);
		build.onLoad({ filter: /.*/, namespace: "lazy" }, ({ path }) => ({
			contents: `module.exports = new Proxy({}, { get: (_, key) => require("node:${path}")[key] });`,
			resolveDir: projectFolder,
		}));
	},
};

/**
 * What mqtt-packet brings along and does not need here: a copy of Node's own streams, and a
 * log that nobody reads, with 150 KB of source that each start would read twice.
 */
const leanModules = {
	name: "lean modules",
	setup(build) {
		build.onResolve({ filter: /^debug$/ }, ({ path }) => ({
			path,
			namespace: "lean",
		}));
		build.onLoad({ filter: /.*/, namespace: "lean" }, () => ({
			contents: "module.exports = () => () => {};",
		}));
	},
};

const shared = {
	bundle: true,
	platform: "node",
	format: "cjs",
	target: "node26",
	// Half the source to read and to keep in memory; names stay in the traces of errors.
	minify: true,
	keepNames: true,
	alias: { "readable-stream": "node:stream" },
	legalComments: "none",
	metafile: true,
	logLevel: "warning",
	write: false,
	absWorkingDir: projectFolder,
	outdir: buildFolder,
	plugins: [lazyModules, leanModules],
	// CommonJS has no import.meta; what is used of it is computed once per bundle.
	banner: {
		js: 'const __bundleUrl=require("node:url").pathToFileURL(__filename).href;',
	},
	define: {
		"import.meta.url": "__bundleUrl",
		"import.meta.filename": "__filename",
		"import.meta.dirname": "__dirname",
		"import.meta.main": "false",
	},
};

/** What the last bundle holds of other packages, as packagesOf gives it. */
export function bundledPackages() {
	return JSON.parse(readFileSync(packagesFile, "utf8"));
}

export function projectVersion() {
	const text = readFileSync(join(projectFolder, "package.json"), "utf8");
	return JSON.parse(text).version;
}

/** What the sources are; empty outside a work tree. */
function commit() {
	const git = (...args) =>
		spawnSync("git", args, { cwd: projectFolder, encoding: "utf8" });
	const { status, stdout } = git("rev-parse", "--short=10", "HEAD");
	if (status !== 0) return "";
	const isChanged = git("status", "--porcelain").stdout.trim() !== "";
	return `${stdout.trim()}${isChanged ? "+changes" : ""}`;
}

/** As the addon has it: its package carries SQLite's source. */
export function sqliteVersion() {
	const header = join(
		projectFolder,
		"node_modules/better-sqlite3/deps/sqlite3/sqlite3.h",
	);
	return /^#define SQLITE_VERSION\s+"([^"]+)"/m.exec(
		readFileSync(header, "utf8"),
	)[1];
}

/** The scripts of a single binary: the first one, and assets by their names. */
export const binaryScripts = {
	entry: join(buildFolder, "entry.cjs"),
	assets: {
		"broker.js": join(buildFolder, "broker.js"),
		"store-worker.js": join(buildFolder, "store-worker.js"),
	},
};

/**
 * Writes build/broker.cjs and the licences of what is in it, and the same program in the
 * parts of which a binary is made; returns the exit code.
 */
export async function bundle() {
	const { build } = await import("esbuild");
	const define = {
		...shared.define,
		__BROKER_VERSION__: JSON.stringify(projectVersion()),
		__BROKER_COMMIT__: JSON.stringify(commit()),
		__SQLITE_VERSION__: JSON.stringify(sqliteVersion()),
	};
	const make = (entry, more = {}) =>
		build({ ...shared, entryPoints: [entry], define: { ...define, ...more } });
	const worker = await make(workerEntry);
	const main = await make(mainEntry, {
		__STORE_WORKER_SOURCE__: JSON.stringify(scriptOf(worker)),
	});
	writeBinaryScripts(worker, await make(mainEntry), await make(firstEntry));
	mkdirSync(buildFolder, { recursive: true });
	const output = join(buildFolder, "broker.cjs");
	writeFileSync(output, `#!/usr/bin/env node\n${scriptOf(main)}`);
	const packages = packagesOf([main.metafile, worker.metafile]);
	writeFileSync(`${output}.LEGAL.txt`, licenceTexts(packages));
	// For those who list what is in it: the licences of the binary, the packages, the SBOM.
	writeFileSync(packagesFile, JSON.stringify(packages, null, "\t"));
	console.log(
		`build/broker.cjs (${Math.ceil(statSync(output).size / 1024)} KiB)`,
	);
	return 0;
}

function writeBinaryScripts(worker, main, first) {
	mkdirSync(buildFolder, { recursive: true });
	writeFileSync(binaryScripts.entry, scriptOf(first));
	const { assets } = binaryScripts;
	writeFileSync(assets["store-worker.js"], scriptOf(worker));
	// As entry.ts calls it.
	writeFileSync(
		assets["broker.js"],
		`(function(require,__filename,__STORE_WORKER__){${scriptOf(main)}})`,
	);
}

function scriptOf(result) {
	return result.outputFiles.find(({ path }) => path.endsWith(".js")).text;
}
