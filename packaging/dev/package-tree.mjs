// The files of the packages: what lies where, with which mode. The same for .deb and .rpm but
// for the folder of the units and what each wants in the documentation.

import {
	chmodSync,
	copyFileSync,
	lutimesSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { strippedAddon } from "./binary.mjs";
import { projectFolder } from "./runtime.mjs";

/**
 * A file (`from` or `content`), a symbolic link (`target`) or a folder.
 * @typedef {{ path: string, mode: number, from?: string, content?: string | Buffer,
 *   target?: string, isConfig?: boolean, isFolder?: boolean, isDoc?: boolean }} Entry
 */

/**
 * @param {{ arch: string, binary: string, unitFolder: string }} options
 * @returns {Entry[]} with absolute paths, as they lie on the system
 */
export function packageEntries({ arch, binary, unitFolder }) {
	const source = (name) => join(projectFolder, "packaging", name);
	const doc = "/usr/share/doc/broker";
	const completions = "/usr/share/bash-completion/completions";
	return [
		program("/usr/bin/broker", binary),
		{ path: "/usr/bin/brokerctl", target: "broker", mode: 0o777 },
		// Beside the binary, where a full or read-only disk leaves no place to unpack it to.
		plain("/usr/lib/broker/better_sqlite3.node", strippedAddon(arch)),
		plain("/usr/lib/sysusers.d/broker.conf", source("common/broker.sysusers")),
		...folderOf("systemd").map((file) =>
			plain(`${unitFolder}/${basename(file)}`, file),
		),
		{ path: "/etc/broker", isFolder: true, mode: 0o755 },
		{ path: "/etc/broker/conf.d", isFolder: true, mode: 0o755 },
		{
			path: "/etc/broker/broker.conf",
			from: join(projectFolder, "broker.conf"),
			// Of root:broker: passwords may be in it.
			mode: 0o640,
			isConfig: true,
		},
		...manPages(),
		plain(`${completions}/broker`, source("completion/broker")),
		{ path: `${completions}/brokerctl`, target: "broker", mode: 0o777 },
		documentation(
			`${doc}/tuning.txt`,
			readFileSync(source("common/tuning.txt")),
		),
		documentation(
			`${doc}/examples/60-broker.conf`,
			readFileSync(source("common/60-broker.conf")),
		),
		documentation(`${doc}/changelog.gz`, compressed(changelog())),
	];
}

function manPages() {
	return folderOf("packaging/man").map((file) => {
		const name = basename(file);
		return {
			path: `/usr/share/man/man${name.at(-1)}/${name}.gz`,
			content: compressed(readFileSync(file)),
			mode: 0o644,
			isDoc: true,
		};
	});
}

function changelog() {
	return readFileSync(join(projectFolder, "CHANGELOG.md"));
}

/** As `gzip -9n`: without name and time. */
export function compressed(text) {
	return gzipSync(text, { level: 9 });
}

function folderOf(name) {
	const folder = join(projectFolder, name);
	return readdirSync(folder)
		.sort()
		.map((file) => join(folder, file));
}

function program(path, from) {
	return { path, from, mode: 0o755 };
}

function plain(path, from) {
	return { path, from, mode: 0o644 };
}

export function documentation(path, content) {
	return { path, content, mode: 0o644, isDoc: true };
}

/** Lays the files out below `root`, which is emptied; all times are `seconds`, since 1970. */
export function layOut(root, entries, seconds) {
	rmSync(root, { recursive: true, force: true });
	mkdirSync(root, { recursive: true });
	for (const { path, mode, from, content, target, isFolder } of entries) {
		const place = join(root, path);
		mkdirSync(dirname(place), { recursive: true });
		if (target !== undefined) symlinkSync(target, place);
		else if (isFolder) mkdirSync(place, { recursive: true });
		else if (from !== undefined) copyFileSync(from, place);
		else writeFileSync(place, content);
		if (target === undefined) chmodSync(place, mode);
	}
	for (const name of [".", ...readdirSync(root, { recursive: true })]) {
		const place = join(root, name);
		if (statSync(place).isDirectory()) chmodSync(place, 0o755);
		lutimesSync(place, seconds, seconds);
	}
}
