// The programs of other projects that the slow tests and the build need, and the Debian packages they are in.

import { spawnSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { expectedError, run } from "./runtime.mjs";

const packages = [
	{ name: "mosquitto", program: "mosquitto" },
	{ name: "mosquitto-clients", program: "mosquitto_pub" },
	{ name: "faketime", program: "faketime" },
	{ name: "paho.mqtt.c-examples", program: "paho_c_pub" },
	{ name: "binutils", program: "strip" },
	process.arch === "arm64"
		? { name: "binutils-x86-64-linux-gnu", program: "x86_64-linux-gnu-strip" }
		: {
				name: "binutils-aarch64-linux-gnu",
				program: "aarch64-linux-gnu-strip",
			},
	// The virtual machine of the power-cut test, and what reads its disk.
	{ name: "qemu-system-x86", program: "qemu-system-x86_64" },
	{ name: "mmdebstrap", program: "mmdebstrap" },
	// The binary for the other architecture.
	{ name: "qemu-user-static", program: "qemu-aarch64-static" },
	{ name: "systemd-container", program: "systemd-nspawn" },
	{ name: "openssh-client", program: "ssh" },
	{ name: "cpio", program: "cpio" },
	{ name: "e2fsprogs", program: "debugfs" },
	{ name: "mandoc", program: "mandoc" },
	{ name: "groff-base", program: "groff" },
	{ name: "python3-paho-mqtt", python: "paho.mqtt.client" },
	{ name: "rpm", program: "rpmbuild" },
	{ name: "lintian", program: "lintian" },
	{ name: "rpmlint", program: "rpmlint" },
];
const policyFile = "/usr/sbin/policy-rc.d";

/** Throws with the command to type when a program is missing. */
export function requireTestPrograms() {
	const missing = missingPackages();
	if (missing.length === 0) return;
	throw expectedError(
		`Programs that the tests need are missing. Install them with\n  npm run setup:test\nor\n` +
			`  sudo apt-get install ${missing.join(" ")}`,
	);
}

/** Installs what is missing, by apt-get, as root or with sudo; starts no service. */
export async function installTestPrograms() {
	const missing = missingPackages();
	if (missing.length === 0) {
		console.log("All programs for the tests are installed.");
		return 0;
	}
	if (!isOnPath("apt-get"))
		throw expectedError(
			`No apt-get here: install ${missing.join(", ")} by hand.`,
		);
	const isRoot = process.getuid() === 0;
	const sudo = isRoot ? [] : ["sudo"];
	const apt = [
		...sudo,
		"env",
		"DEBIAN_FRONTEND=noninteractive",
		"apt-get",
		"-y",
		"-q",
	];
	const allowServices = isRoot ? forbidServices() : () => {};
	try {
		await run(apt[0], [...apt.slice(1), "update"]);
		const code = await run(apt[0], [
			...apt.slice(1),
			"install",
			"--no-install-recommends",
			...missing,
		]);
		if (
			!isRoot &&
			missing.includes("mosquitto") &&
			existsSync("/run/systemd/system")
		) {
			await run("sudo", ["systemctl", "disable", "--now", "mosquitto"]);
		}
		return code;
	} finally {
		allowServices();
	}
}

function missingPackages() {
	return packages.filter((one) => !isInstalled(one)).map(({ name }) => name);
}

function isInstalled({ program, python }) {
	if (program !== undefined) return isOnPath(program);
	return spawnSync("/usr/bin/python3", ["-c", `import ${python}`]).status === 0;
}

function isOnPath(program) {
	const folders = [
		...(process.env.PATH ?? "").split(delimiter),
		"/usr/sbin",
		"/sbin",
	];
	return folders.some((folder) => existsSync(join(folder, program)));
}

/** Keeps the new mosquitto from starting (it would hold port 1883); returns what undoes it. */
function forbidServices() {
	if (existsSync(policyFile)) return () => {};
	writeFileSync(policyFile, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
	return () => rmSync(policyFile, { force: true });
}
