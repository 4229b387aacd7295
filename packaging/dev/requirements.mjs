// What the binary asks of a system, read off its files, so that the packages say the truth
// when Node or the SQLite addon is built elsewhere one day.

import { spawnSync } from "node:child_process";
import { expectedError } from "./runtime.mjs";

/** In which GCC a version of libstdc++'s symbols came first; Debian's package has GCC's version. */
const gccOfGlibcxx = {
	25: "8",
	26: "9",
	27: "9.2",
	28: "9.3",
	29: "11",
	30: "12",
	31: "13",
	32: "13.1",
	33: "14",
};
/** The largest pages of an arm64 kernel; a Raspberry Pi 5 has pages of 16 KB. */
const largestPageBytes = 64 * 1024;

/**
 * @param {string[]} files ELF files
 * @returns {{ glibc: string, gcc: string, libraries: string[] }} the oldest versions that have all
 *   symbols, and the names of the libraries (`libc.so.6`)
 */
export function systemRequirements(files) {
	const text = files.map(readElf).join("\n");
	const newest = (prefix) =>
		[...text.matchAll(new RegExp(`\\b${prefix}_(\\d+(?:\\.\\d+)+)\\b`, "g"))]
			.map(([, version]) => version)
			.sort(compareVersions)
			.at(-1);
	const libraries = [...text.matchAll(/NEEDED.*\[(.*)\]/g)].map(
		([, name]) => name,
	);
	const minor = newest("GLIBCXX").split(".")[2];
	const gcc = Number(minor) < 25 ? "8" : gccOfGlibcxx[minor];
	if (gcc === undefined)
		throw new Error(`which GCC has GLIBCXX_3.4.${minor}? Add it to the table.`);
	return {
		glibc: newest("GLIBC"),
		gcc,
		libraries: [...new Set(libraries)].sort(),
	};
}

/** @throws Error when a kernel with large pages could not map the file */
export function checkAlignment(file) {
	const text = readElf(file);
	const segments = [...text.matchAll(/^ +LOAD +(0x\w+) +(0x\w+)/gm)];
	if (segments.length === 0) throw new Error(`${file} has no segments`);
	for (const [, offset, address] of segments)
		if ((Number(address) - Number(offset)) % largestPageBytes !== 0)
			throw new Error(
				`${file}: the segment at ${offset} cannot be mapped by a kernel with pages of ${largestPageBytes} bytes`,
			);
}

function readElf(file) {
	const { stdout, status, error } = spawnSync(
		"readelf",
		["--dynamic", "--version-info", "--segments", "--wide", file],
		{ encoding: "utf8", maxBuffer: 64 * 1024 * 1024 },
	);
	if (error !== undefined)
		throw expectedError(
			"readelf is missing, which says what the binary needs. Install it with\n  sudo apt-get install binutils",
		);
	if (status !== 0) throw new Error(`readelf ${file} failed`);
	return stdout;
}

function compareVersions(a, b) {
	return a.localeCompare(b, "en", { numeric: true });
}
