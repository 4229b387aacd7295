/**
 * The root file system of the machines: Debian 12 with systemd, made by mmdebstrap from
 * the mirror that this machine uses itself, once; kept in `~/.cache/broker-test`, and made
 * again when what is in it changes. 30 to 60 s, 200 MB.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	renameSync,
	rmSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

const suite = "bookworm";
/** Beside the essential ones; libatomic1 is what the runtime needs and small systems lack. */
const packages = [
	...["systemd", "systemd-sysv", "dbus", "procps", "libatomic1"],
	"rpm",
];
/** Timers and consoles that a test only waits for. */
const masked = [
	"apt-daily.timer",
	"apt-daily-upgrade.timer",
	"dpkg-db-backup.timer",
	"e2scrub_all.timer",
	"fstrim.timer",
	"console-getty.service",
	"getty@tty1.service",
	"systemd-networkd-wait-online.service",
];

/** Runs in the root once it is complete; $1 is its folder. */
const customize = `
set -eu
echo machine >"$1/etc/hostname"
printf '127.0.0.1 localhost machine\\n::1 localhost\\n' >"$1/etc/hosts"
: >"$1/etc/machine-id"
rm -f "$1/etc/resolv.conf"
mkdir -p "$1/etc/systemd/journald.conf.d" "$1/var/log/journal"
printf '[Journal]\\nStorage=persistent\\nRateLimitBurst=0\\n' >"$1/etc/systemd/journald.conf.d/machine.conf"
chroot "$1" systemctl -q mask ${masked.join(" ")}
# On a host with cgroups v1 the controllers are mounted read-only: without this MemoryMax has no effect.
cat >"$1/usr/lib/machine-init" <<'INIT'
#!/bin/sh
for controller in memory pids cpu; do
	[ -d /sys/fs/cgroup/$controller ] && mount -o remount,bind,rw /sys/fs/cgroup/$controller 2>/dev/null
done
exec /lib/systemd/systemd
INIT
chmod 755 "$1/usr/lib/machine-init"
rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin
`;

/** @returns the folder of the root file system, made when it is missing */
export function machineImage(): string {
	return cached(`${suite}-${process.arch}-`, [
		"--variant=minbase",
		`--include=${packages.join(",")}`,
		"--dpkgopt=path-exclude=/usr/share/man/*",
		"--dpkgopt=path-exclude=/usr/share/doc/*",
		"--dpkgopt=path-exclude=/usr/share/locale/*",
		"--dpkgopt=force-unsafe-io",
		`--customize-hook=${customize}`,
	]);
}

/** @returns a folder with the libraries that the binary for 64-bit ARM needs */
export function armLibraries(): string {
	return cached("arm64-libraries-", [
		"--architectures=arm64",
		"--variant=extract",
		"--include=libc6,libstdc++6,libgcc-s1,libatomic1",
	]);
}

/**
 * What mmdebstrap makes with these options, kept until they change.
 * @param name the beginning of the folder's name; others that begin so are of an earlier recipe
 */
function cached(name: string, options: readonly string[]): string {
	const cache =
		process.env.BROKER_TEST_CACHE ?? join(homedir(), ".cache/broker-test");
	const recipe = JSON.stringify([suite, options]);
	const hash = createHash("sha256").update(recipe).digest("hex").slice(0, 12);
	const image = join(cache, `${name}${hash}`);
	if (existsSync(image)) return image;
	mkdirSync(cache, { recursive: true, mode: 0o700 });
	removeOlder(cache, name);
	const unfinished = mkdtempSync(join(cache, "unfinished-"));
	try {
		build(join(unfinished, "root"), options);
		renameSync(join(unfinished, "root"), image);
	} finally {
		rmSync(unfinished, { recursive: true, force: true });
	}
	return image;
}

function build(root: string, options: readonly string[]): void {
	const result = spawnSync(
		"mmdebstrap",
		[
			...options,
			'--aptopt=Acquire::Check-Valid-Until "false"',
			'--aptopt=Acquire::Languages "none"',
			suite,
			root,
			`deb ${mirror()} ${suite} main`,
		],
		{ encoding: "utf8", maxBuffer: 64 * 1024 * 1024 },
	);
	if (result.error !== undefined)
		throw new Error("mmdebstrap is missing: npm run setup:test", {
			cause: result.error,
		});
	if (result.status !== 0)
		throw new Error(`mmdebstrap failed:\n${result.stderr.slice(-3000)}`);
}

/** Where this machine's own apt gets Debian from. */
function mirror(): string {
	const list = execFileSync(
		"apt-get",
		["indextargets", "--format", "$(REPO_URI)"],
		{ encoding: "utf8" },
	);
	const found = list
		.split("\n")
		.find((line) => /\/debian\/*$/.test(line.trim()));
	return found?.trim() ?? "http://deb.debian.org/debian";
}

/** Images that an earlier version of the recipe has made. */
function removeOlder(cache: string, name: string): void {
	for (const each of readdirSync(cache))
		if (each.startsWith(name))
			rmSync(join(cache, each), { recursive: true, force: true });
}
