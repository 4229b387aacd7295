/**
 * Where the worker finds SQLite's addon. Main thread only.
 *
 * From source the package finds it by itself. The bundle has to be told. The single
 * binary carries it as an asset, but only a file can be loaded: a package puts that
 * file beside the binary's libraries; else it is written once, into the first folder
 * that is private, writable and not mounted noexec.
 */
import {
	closeSync,
	existsSync,
	fsyncSync,
	lstatSync,
	mkdirSync,
	openSync,
	readFileSync,
	renameSync,
	rmSync,
	writeSync,
} from "node:fs";
import { createRequire } from "node:module";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { getRawAsset, isSea } from "node:sea";
import { version } from "../platform/version.ts";

/** Set by the build to the text of the bundled worker.ts. */
declare const __STORE_WORKER_SOURCE__: string | undefined;

/** The asset's name in the single binary, and the file's name in a package. */
export const ADDON_NAME = "better_sqlite3.node";
/** Where the packages put the file, for systems where nothing can be written. */
const PACKAGE_FOLDER = "/usr/lib/broker";

/**
 * @returns null where the package `better-sqlite3` finds it by itself, from source
 * @throws Error that names every folder tried and what was in the way
 */
export function findSqliteAddon(): string | null {
	if (isSea()) {
		return unpackAddon(Buffer.from(getRawAsset(ADDON_NAME)), addonFolders());
	}
	if (typeof __STORE_WORKER_SOURCE__ !== "string") return null;
	return findInModules();
}

/** A worker started from text has no place in the file system to look from. */
function findInModules(): string {
	const require = createRequire(__filename);
	const file = `prebuilds/${process.platform}-${process.arch}.node`;
	try {
		const folder = dirname(require.resolve("better-sqlite3/package.json"));
		const own = join(folder, "build/Release/better_sqlite3.node");
		return existsSync(own) ? own : require.resolve(join(folder, file));
	} catch (cause) {
		const words = `the SQLite addon was not found: ${__filename} needs better-sqlite3 with its ${file} in a node_modules folder above it`;
		throw new Error(words, { cause });
	}
}

/** In the order in which they are tried. `/run` is mounted noexec on many systems. */
function addonFolders(): readonly string[] {
	const { CACHE_DIRECTORY, XDG_CACHE_HOME } = process.env;
	const user = process.geteuid?.() ?? 0;
	return [
		PACKAGE_FOLDER,
		// systemd names several folders with colons between them.
		CACHE_DIRECTORY?.split(":")[0] ?? "",
		join(XDG_CACHE_HOME || join(homedir(), ".cache"), "broker"),
		`/dev/shm/broker-${user}`,
		join(tmpdir(), `broker-${user}`),
	].filter((folder) => folder.startsWith("/"));
}

/**
 * The addon as a file that can be loaded: one that is there with the right content,
 * or one written to the first folder that allows it.
 * @throws Error that names every folder tried and what was in the way
 */
export function unpackAddon(
	addon: Uint8Array,
	folders: readonly string[],
	load: (path: string) => void = tryLoading,
): string {
	const problems: string[] = [];
	for (const folder of folders) {
		try {
			const path = placeAddon(addon, folder);
			load(path);
			return path;
		} catch (error) {
			problems.push(`${folder}: ${(error as Error).message}`);
		}
	}
	throw new Error(
		`the SQLite addon inside this program cannot be unpacked: no folder can be used (${problems.join("; ")}); make one of them writable for this user, on a file system that is not mounted noexec`,
	);
}

function placeAddon(addon: Uint8Array, folder: string): string {
	const packaged = join(folder, ADDON_NAME);
	if (holds(packaged, addon)) return packaged;
	if (folder === PACKAGE_FOLDER) throw new Error(`${packaged} is not there`);
	mkdirSync(folder, { recursive: true, mode: 0o700 });
	requireOwnFolder(folder);
	const path = join(folder, `${version}-${ADDON_NAME}`);
	if (holds(path, addon)) return path;
	const temporary = `${path}.${process.pid}`;
	rmSync(temporary, { force: true });
	try {
		writeWhole(temporary, addon);
		renameSync(temporary, path);
	} catch (error) {
		rmSync(temporary, { force: true });
		throw error;
	}
	return path;
}

/** Whoever can write into the folder could put code of theirs into the broker. */
function requireOwnFolder(folder: string): void {
	const { uid, mode } = lstatSync(folder);
	const user = process.geteuid?.() ?? uid;
	const isOwn = uid === user || uid === 0;
	if (!isOwn || (mode & 0o022) !== 0) {
		throw new Error("other users can write to it");
	}
}

/** Compared and not hashed: that takes a tenth of the time, and no library of ciphers. */
function holds(path: string, addon: Uint8Array): boolean {
	try {
		const { size } = lstatSync(path);
		return size === addon.length && readFileSync(path).equals(addon);
	} catch {
		return false;
	}
}

function writeWhole(path: string, bytes: Uint8Array): void {
	const file = openSync(path, "wx", 0o500);
	try {
		let at = 0;
		while (at < bytes.length) at += writeSync(file, bytes, at);
		fsyncSync(file);
	} finally {
		closeSync(file);
	}
}

/** A noexec mount shows itself only here. Loading it again in the worker costs nothing. */
function tryLoading(path: string): void {
	process.dlopen({ exports: {} }, path);
}
