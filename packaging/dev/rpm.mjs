// An .rpm of the laid-out files, by rpmbuild, with the scriptlets of packaging/rpm/broker.spec.
// rpm reads itself off the binary which libraries it requires.

import { spawnSync } from "node:child_process";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { binaryLicences } from "./binary.mjs";
import { documentation, layOut, packageEntries } from "./package-tree.mjs";
import { expectedError, projectFolder } from "./runtime.mjs";

export const rpmArchitectures = { x64: "x86_64", arm64: "aarch64" };

/**
 * @param {import("./package.mjs").Recipe} recipe
 * @returns the name of the file in `recipe.output`
 */
export function buildRpm(recipe) {
	const { arch, version, seconds, output, workFolder, level } = recipe;
	const root = join(workFolder, "rpm");
	const files = [
		...packageEntries({
			arch,
			binary: recipe.binary,
			unitFolder: "/usr/lib/systemd/system",
		}),
		documentation("/usr/share/licenses/broker/LICENSE", binaryLicences()),
	];
	layOut(root, files, seconds);
	const spec = join(workFolder, "broker.spec");
	writeFileSync(spec, specFile(recipe, root, files));
	const top = join(workFolder, "rpmbuild");
	rmSync(top, { recursive: true, force: true });
	const definitions = {
		_topdir: top,
		_rpmdir: join(top, "RPMS"),
		_buildhost: "broker.invalid",
		use_source_date_epoch_as_buildtime: "1",
		clamp_mtime_to_source_date_epoch: "1",
		_binary_payload: level > 0 ? `w${level}T2.xzdio` : "w.ufdio",
		_binary_filedigest_algorithm: "8",
	};
	const result = spawnSync(
		"rpmbuild",
		[
			...["-bb", "--quiet", `--target=${rpmArchitectures[arch]}-linux`],
			...Object.entries(definitions).flatMap(([name, value]) => [
				"--define",
				`${name} ${value}`,
			]),
			spec,
		],
		{
			encoding: "utf8",
			env: { ...process.env, SOURCE_DATE_EPOCH: String(seconds) },
		},
	);
	if (result.error !== undefined)
		throw expectedError(
			"rpmbuild is missing. Install it with\n  sudo apt-get install rpm",
		);
	if (result.status !== 0) throw new Error(`rpmbuild: ${result.stderr}`);
	const name = `broker-${version}-1.${rpmArchitectures[arch]}.rpm`;
	renameSync(
		join(top, "RPMS", rpmArchitectures[arch], name),
		join(output, name),
	);
	return name;
}

function specFile(recipe, root, files) {
	const values = {
		VERSION: recipe.version,
		ARCH: rpmArchitectures[recipe.arch],
		ROOT: root,
		DESCRIPTION: recipe.description.trim(),
		// A percent sign begins one of rpm's macros.
		CHECKS: recipe.checks.trim().replaceAll("%", "%%"),
		FILES: files.map(fileLine).join("\n"),
		CHANGELOG: changelog(recipe),
	};
	const path = join(projectFolder, "packaging/rpm/broker.spec");
	return readFileSync(path, "utf8").replace(
		/@([A-Z]+)@/g,
		(_, name) => values[name],
	);
}

/** How a file stands in the list: its mode, and what rpm has to know of it. */
function fileLine({ path, mode, isConfig, isFolder, isDoc, target }) {
	if (target !== undefined) return path;
	const octal = mode.toString(8).padStart(4, "0");
	if (isConfig) return `%attr(${octal},root,broker) %config(noreplace) ${path}`;
	if (isFolder) return `%dir %attr(${octal},root,root) ${path}`;
	const kind = path.startsWith("/usr/share/licenses/")
		? "%license "
		: isDoc
			? "%doc "
			: "";
	return `%attr(${octal},root,root) ${kind}${path}`;
}

function changelog({ version, seconds }) {
	const [day, date, month, year] = new Date(seconds * 1000)
		.toUTCString()
		.split(/,? /);
	return `* ${day} ${month} ${date} ${year} The broker's maintainers <maintainers@broker.invalid> - ${version}-1
- What has changed is in /usr/share/doc/broker/changelog.gz.`;
}
