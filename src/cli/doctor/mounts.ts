import { inShell } from "../in-shell.ts";
import { type Finding, note, ok, problem, warning } from "./finding.ts";
import {
	isOnNetwork,
	type Mount,
	mountOf,
	parseMounts,
} from "./mount-table.ts";
import { type Check, type Situation, setKey } from "./situation.ts";

/** Whether the file system of the state can be written, and keeps what is written. */
export const mounts: Check = {
	subject: "file system",
	async look(situation) {
		const { machine, dataDir, config } = situation;
		if (!config.settings.persistence) return [];
		const table = await machine.text("/proc/self/mountinfo");
		const mount = mountOf(parseMounts(table.value ?? ""), dataDir);
		if (mount === null) return [];
		const findings = [
			...readOnly(mount, dataDir),
			...unsafe(mount, situation),
			...unsynced(mount),
		];
		return findings.length > 0
			? findings
			: [
					ok(
						"file-system",
						`${dataDir} is on ${mount.point} (${mount.type}), which can be written`,
					),
				];
	},
};

function readOnly(
	{ point, options, source }: Mount,
	dataDir: string,
): Finding[] {
	if (!options.includes("ro")) return [];
	return [
		problem(
			"mount-read-only",
			`${dataDir} is on ${point} (${source}), which is mounted read-only`,
			{
				why: "nothing can be stored: the broker runs in safe mode, and what it acknowledges does not survive a restart; a file system that met an error is often made read-only by the kernel (see storage-errors, sudo dmesg)",
				fix: `sudo mount -o remount,rw ${inShell(point)}`,
			},
		),
	];
}

function unsafe(mount: Mount, situation: Situation): Finding[] {
	const { point, type } = mount;
	const { dataDir } = situation;
	const head = `${dataDir} is on ${point}, which is ${type}`;
	const fix = setKey(situation, "data_dir", "/A/FOLDER/ON/A/DISK");
	if (isOnNetwork(mount))
		return [
			problem("file-system-unsafe", head, {
				why: "SQLite's log needs locks and shared memory that a network file system does not give: the database may be damaged, and everything waits while the server is away",
				fix,
			}),
		];
	if (/^(vfat|exfat|msdos|fuseblk|ntfs3?)$/.test(type))
		return [
			warning("file-system-unsafe", head, {
				why: "it has no journal and no owners: a power cut while a file grows may damage it, and everybody on the machine may read the messages",
				fix,
			}),
		];
	if (/^(tmpfs|ramfs)$/.test(type))
		return [
			warning("file-system-volatile", head, {
				why: "it is memory: what was acknowledged is gone with a reboot or a power cut",
				fix,
			}),
		];
	if (/^(overlay|aufs|squashfs)$/.test(type))
		return [
			note("file-system-layered", head, {
				why: "changes go to its upper layer: in a container they are gone with the container, on a system with overlayroot with the next boot",
				fix: `mount a volume or a partition of its own on ${dataDir}; in a container: -v broker:${dataDir}`,
			}),
		];
	return [];
}

function unsynced({ point, options }: Mount): Finding[] {
	const found = options.find((option) =>
		/^(nobarrier|barrier=0|data=writeback|norecovery|fsync_mode=nobarrier)$/.test(
			option,
		),
	);
	if (found === undefined) return [];
	return [
		warning("mount-without-barriers", `${point} is mounted with ${found}`, {
			why: "what is synced is not certain to be on the medium: a power cut may take what was acknowledged",
			fix: `sudoedit /etc/fstab   # take ${found} away from ${point}, then reboot`,
		}),
	];
}
