// A .deb of the laid-out files, by dpkg-deb. The maintainer scripts in packaging/deb do what
// dh_installsystemd and dh_installsysusers would have written.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
	chmodSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	statSync,
	utimesSync,
	writeFileSync,
} from "node:fs";
import { join, relative } from "node:path";
import { copyrightFile } from "./copyright.mjs";
import {
	compressed,
	documentation,
	layOut,
	packageEntries,
} from "./package-tree.mjs";
import { expectedError, projectFolder } from "./runtime.mjs";

export const debArchitectures = { x64: "amd64", arm64: "arm64" };
const sources = join(projectFolder, "packaging/deb");
const maintainer = "The broker's maintainers <maintainers@broker.invalid>";
/** Debian's package of each library that the binary names; the loader is in libc6. */
const libraryPackages = {
	"libc.so.6": ({ glibc }) => `libc6 (>= ${glibc})`,
	"libstdc++.so.6": ({ gcc }) => `libstdc++6 (>= ${gcc})`,
	"libgcc_s.so.1": () => "libgcc-s1",
	"libatomic.so.1": () => "libatomic1",
};
const partsOfLibc = /^(libm|libdl|libpthread|ld-linux.*)\.so\./;

/**
 * @param {import("./package.mjs").Recipe} recipe
 * @returns the name of the file in `recipe.output`
 */
export function buildDeb(recipe) {
	const { arch, version, seconds, output, workFolder, level } = recipe;
	const root = join(workFolder, "deb");
	const fullVersion = `${version}-1`;
	layOut(root, entries(recipe, fullVersion), seconds);
	writeControl(root, recipe, fullVersion);
	const name = `broker_${fullVersion}_${debArchitectures[arch]}.deb`;
	const result = spawnSync(
		"dpkg-deb",
		[
			"--root-owner-group",
			...(level > 0 ? ["-Zxz", `-z${level}`] : ["-Znone"]),
			...["--build", root, join(output, name)],
		],
		{
			encoding: "utf8",
			env: { ...process.env, SOURCE_DATE_EPOCH: String(seconds) },
		},
	);
	if (result.error !== undefined)
		throw expectedError(
			"dpkg-deb is missing. Install it with\n  sudo apt-get install dpkg",
		);
	if (result.status !== 0) throw new Error(`dpkg-deb: ${result.stderr}`);
	return name;
}

function entries({ arch, binary, seconds }, fullVersion) {
	const doc = "/usr/share/doc/broker";
	const overrides = readFileSync(join(sources, "lintian-overrides"));
	return [
		...packageEntries({
			arch,
			binary,
			unitFolder: "/lib/systemd/system",
		}),
		documentation(`${doc}/copyright`, copyrightFile()),
		documentation(
			`${doc}/changelog.Debian.gz`,
			compressed(debianChangelog(fullVersion, seconds)),
		),
		documentation("/usr/share/lintian/overrides/broker", overrides),
	];
}

function writeControl(root, recipe, fullVersion) {
	const control = join(root, "DEBIAN");
	mkdirSync(control);
	const write = (name, text, mode = 0o644) => {
		const path = join(control, name);
		writeFileSync(path, text);
		chmodSync(path, mode);
		utimesSync(path, recipe.seconds, recipe.seconds);
	};
	write("control", controlFile(root, recipe, fullVersion));
	write("conffiles", "/etc/broker/broker.conf\n");
	write("md5sums", md5sums(root));
	for (const script of ["preinst", "postinst", "prerm", "postrm"]) {
		const text = readFileSync(join(sources, script), "utf8");
		write(
			script,
			text.replace("@CHECKS@", () => recipe.checks),
			0o755,
		);
	}
	utimesSync(control, recipe.seconds, recipe.seconds);
}

function controlFile(root, { arch, requirements, description }, fullVersion) {
	const text = description
		.trim()
		.split("\n")
		.map((line) => (line === "" ? " ." : ` ${line}`))
		.join("\n");
	return `Package: broker
Version: ${fullVersion}
Architecture: ${debArchitectures[arch]}
Maintainer: ${maintainer}
Installed-Size: ${Math.ceil(bytesBelow(root) / 1024)}
Depends: ${depends(requirements)}
Suggests: mosquitto-clients
Section: net
Priority: optional
Description: lean MQTT broker for small Linux devices
${text}
`;
}

function depends(requirements) {
	const packages = requirements.libraries
		.filter((library) => !partsOfLibc.test(library))
		.map((library) => {
			const name = libraryPackages[library];
			if (name === undefined)
				throw new Error(`which Debian package has ${library}?`);
			return name(requirements);
		});
	// For the user; a container without systemd has the small program.
	const users = "systemd | systemd-standalone-sysusers | systemd-sysusers";
	return [...packages, users].join(", ");
}

/** For `dpkg --verify`; dpkg itself looks after conffiles. */
function md5sums(root) {
	return filesBelow(root)
		.filter((path) => !path.startsWith("etc/") && !path.startsWith("DEBIAN/"))
		.map((path) => {
			const hash = createHash("md5").update(readFileSync(join(root, path)));
			return `${hash.digest("hex")}  ${path}\n`;
		})
		.join("");
}

function bytesBelow(root) {
	return filesBelow(root)
		.map((path) => statSync(join(root, path)).size)
		.reduce((sum, bytes) => sum + bytes, 0);
}

function filesBelow(root) {
	return readdirSync(root, { recursive: true, withFileTypes: true })
		.filter((entry) => entry.isFile())
		.map((entry) => relative(root, join(entry.parentPath, entry.name)))
		.sort();
}

function debianChangelog(fullVersion, seconds) {
	const date = new Date(seconds * 1000).toUTCString().replace("GMT", "+0000");
	return `broker (${fullVersion}) stable; urgency=medium

  * What has changed is in changelog.gz.

 -- ${maintainer}  ${date}
`;
}
