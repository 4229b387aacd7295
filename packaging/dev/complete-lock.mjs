// Completes package-lock.json: `npm install` leaves out optional packages of other platforms
// that it could not fetch, and `npm ci` then refuses the lock as out of step. Each missing one
// gets an entry with its version, its platform (read from its name) and "optional", which is
// all that npm needs to pass over it. Run it after every change of the dependencies.

import { readFileSync, writeFileSync } from "node:fs";

const systems = [
	"aix",
	"android",
	"darwin",
	"freebsd",
	"linux",
	"netbsd",
	"openbsd",
	"openharmony",
	"sunos",
	"win32",
];
const processors = [
	"arm64",
	"arm",
	"ia32",
	"loong64",
	"mips64el",
	"ppc64",
	"riscv64",
	"s390x",
	"wasm32",
	"x64",
];

const file = new URL("../../package-lock.json", import.meta.url);
const lock = JSON.parse(readFileSync(file, "utf8"));
const added = [];
for (const [path, entry] of Object.entries(lock.packages)) {
	for (const [name, version] of Object.entries(
		entry.optionalDependencies ?? {},
	)) {
		if (isLocked(path, name)) continue;
		lock.packages[`node_modules/${name}`] = platformEntry(
			name,
			version,
			entry.dev === true || path === "",
		);
		added.push(name);
	}
}
if (added.length > 0) {
	lock.packages = Object.fromEntries(
		Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, "en")),
	);
	writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
}
console.log(
	`package-lock.json: ${added.length} entries added${added.map((name) => `\n  ${name}`).join("")}`,
);

/** True when `name`, asked for by the package at `path`, has an entry in some node_modules above it. */
function isLocked(path, name) {
	for (
		let at = path;
		;
		at = at.slice(0, Math.max(0, at.lastIndexOf("node_modules/") - 1))
	) {
		const key =
			at === "" ? `node_modules/${name}` : `${at}/node_modules/${name}`;
		if (lock.packages[key] !== undefined) return true;
		if (at === "") return false;
	}
}

function platformEntry(name, version, dev) {
	const words = name.slice(name.indexOf("/") + 1).split("-");
	const system = words.find((word) => systems.includes(word));
	const processor = words.find((word) => processors.includes(word));
	return {
		version: version.replace(/^[\^~=]/, ""),
		...(processor && { cpu: [processor] }),
		...(dev && { dev: true }),
		...(words.some((word) => word.startsWith("musl")) && { libc: ["musl"] }),
		...(system === "linux" &&
			words.some((word) => word.startsWith("gnu")) && { libc: ["glibc"] }),
		optional: true,
		...(system && { os: [system] }),
	};
}
