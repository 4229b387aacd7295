import { type Finding, note, ok, problem, warning } from "./finding.ts";
import type { Machine } from "./machine.ts";
import type { Check } from "./situation.ts";

/** What the kernel says when a medium or a file system fails. */
const STORAGE_ERROR =
	/(I\/O error|critical (medium|target|space allocation) error|mmc\d+: (error|timeout|card.*(removed|stuck)|cache flush error)|mmcblk\d+: (error|timed out|recovery failed|retrying)|EXT4-fs error|EXT4-fs \(\w+\): (remounting filesystem read-only|previous I\/O error|error count)|JBD2: (error|detected IO errors|recovery failed)|Aborting journal|BTRFS (error|critical)|F2FS-fs.*(error|corrupt)|XFS.*(corruption|shutdown)|nvme\d*: (I\/O \d+|controller is down|timeout)|blk_update_request:|Buffer I\/O error|ata\d+.*(failed command|exception Emask)|FAT-fs.*error)/i;
const OUT_OF_MEMORY =
	/(?:Out of memory|Memory cgroup out of memory): Killed process (\d+) \((\S+?)\)/;
const LOW_VOLTAGE = /(under-?voltage detected)/i;
const OURS = /^(broker|node|MainThread|node-MainThread)$/;

/** Errors of the medium, and whether the kernel has killed the broker for memory. */
export const kernelLog: Check = {
	subject: "kernel log",
	async look({ machine }) {
		const lines = await readLog(machine);
		if (lines === null)
			return [
				note("kernel-log-hidden", "the kernel's log may not be read by you", {
					why: "a card that fails says so there first",
					fix: "sudo dmesg --level=err,warn | tail -30",
				}),
			];
		const findings = [
			...storageErrors(lines),
			...killed(lines),
			...voltage(lines),
		];
		return findings.length > 0
			? findings
			: [ok("kernel-log", "the kernel reports no error of a disk or card")];
	},
};

async function readLog(machine: Machine): Promise<string[] | null> {
	const attempts = [
		["dmesg"],
		["journalctl", "-k", "-b", "-q", "--no-pager", "-o", "cat", "-n", "20000"],
	];
	for (const [program = "", ...args] of attempts) {
		const { value } = await machine.run(program, ...args);
		if (value !== null && value.trim() !== "") return value.split("\n");
	}
	return null;
}

function storageErrors(lines: readonly string[]): Finding[] {
	const errors = lines.filter((line) => STORAGE_ERROR.test(line));
	const last = errors.at(-1);
	if (last === undefined) return [];
	const device = /\b(mmcblk\d+|sd[a-z]+|nvme\d+n?\d*|vd[a-z]+|mmc\d+)/.exec(
		last,
	)?.[1];
	const times = errors.length === 1 ? "an error" : `${errors.length} errors`;
	return [
		problem(
			"storage-errors",
			`the kernel reports ${times} of the storage${device === undefined ? "" : ` (${device})`}, the last one: ${last.trim()}`,
			{
				why: "a card or disk that fails loses what it was given: back the state up now, then replace it",
				fix: "sudo broker state backup /media/usb/broker.db",
			},
		),
	];
}

/** Drops that are over, too; what is now, the power check says. */
function voltage(lines: readonly string[]): Finding[] {
	const drops = lines.filter((line) => LOW_VOLTAGE.test(line)).length;
	if (drops === 0) return [];
	return [
		warning(
			"voltage-drops",
			`the kernel has noticed low voltage ${drops === 1 ? "once" : `${drops} times`} since the boot`,
			{
				why: "cards and USB disks lose data at low voltage",
				fix: "use the power supply made for this board and a short cable; then: dmesg | grep -i voltage",
			},
		),
	];
}

function killed(lines: readonly string[]): Finding[] {
	const ours = lines
		.map((line) => OUT_OF_MEMORY.exec(line))
		.filter((match) => OURS.test(match?.[2] ?? ""));
	const last = ours.at(-1);
	if (last == null) return [];
	return [
		warning(
			"killed-for-memory",
			`the kernel has killed ${last[2]} (pid ${last[1]}) since the boot because memory ran out`,
			{
				why: "the broker starts again and loses nothing that it acknowledged, but clients were disconnected",
				fix: "broker config show memory_limit --all; free -m",
			},
		),
	];
}
