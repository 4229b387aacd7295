import { inBytes } from "../../platform/words.ts";
import { inShell } from "../in-shell.ts";
import { type Finding, note, ok, problem, warning } from "./finding.ts";
import type { SpaceFacts } from "./machine.ts";
import { type Check, type Situation, setKey } from "./situation.ts";

const MB = 1024 * 1024;
/** The log, the reserve, and something to live on. */
const LITTLE_BYTES = 32 * MB;
const LESS_BYTES = 256 * MB;
const FEW_INODES = 100;

/** Room for what the configuration lets the broker store. */
export const space: Check = {
	subject: "free space",
	async look(situation) {
		const { machine, config } = situation;
		if (!config.settings.persistence) return [];
		const folder = await nearestFolder(situation);
		const { value, why } = await machine.space(folder);
		if (value === null)
			return [
				why === "late"
					? problem(
							"disk-does-not-answer",
							`the file system of ${folder} does not answer`,
							{
								why: "the broker waits for it as well",
								fix: "sudo dmesg | tail -30",
							},
						)
					: note(
							"space-not-visible",
							`the free space in ${folder} is not visible to you`,
							{ fix: "sudo broker doctor" },
						),
			];
		return [...bytes(value, folder, situation), ...inodes(value, folder)];
	},
};

/** data_dir, or what exists above it. */
async function nearestFolder({ machine, dataDir }: Situation): Promise<string> {
	for (let folder = dataDir; ; folder = parentOf(folder)) {
		const { why } = await machine.file(folder);
		if (why !== "missing" || folder === "/") return folder;
	}
}

function bytes(
	{ freeBytes, totalBytes }: SpaceFacts,
	folder: string,
	situation: Situation,
): Finding[] {
	const { settings } = situation.config;
	const free = `${inBytes(freeBytes)} of ${inBytes(totalBytes)} are free in ${folder}`;
	const more = {
		why: "while the disk is full nothing can be stored, and clients wait or are refused (store.degraded_wait)",
		fix: `sudo du -xh ${folder === "/" ? "/var" : inShell(folder)} --max-depth=2 | sort -h | tail; sudo journalctl --vacuum-size=50M`,
	};
	if (freeBytes < LITTLE_BYTES) return [problem("disk-full", free, more)];
	const own = situation.running?.file?.bytes ?? 0;
	const mayGrowTo = settings["store.max_bytes"];
	const missing = mayGrowTo - own - freeBytes;
	if (Number.isFinite(mayGrowTo) && missing > 0)
		return [
			warning(
				"store-larger-than-disk",
				`${free}, ${inBytes(missing)} less than the database may grow by (store.max_bytes = ${inBytes(mayGrowTo)})`,
				{
					why: "the disk is full before the limit is reached, for other programs too",
					fix: setKey(situation, "store.max_bytes", sizeFor(own + freeBytes)),
				},
			),
		];
	if (freeBytes < LESS_BYTES) return [warning("disk-nearly-full", free, more)];
	const wanted = settings.max_retained_bytes + settings.max_queued_bytes_total;
	if (!Number.isFinite(mayGrowTo) && wanted > own + freeBytes)
		return [
			ok("space", free),
			note(
				"queues-larger-than-disk",
				`queues and retained messages may take ${inBytes(wanted)} (max_queued_bytes_total, max_retained_bytes), and the database has no limit of its own`,
				{
					why: "clients that stay away can fill the disk",
					fix: setKey(situation, "store.max_bytes", sizeFor(own + freeBytes)),
				},
			),
		];
	return [ok("space", free)];
}

function inodes(
	{ freeInodes, inodes: all }: SpaceFacts,
	folder: string,
): Finding[] {
	if (all === 0 || freeInodes >= FEW_INODES) return [];
	return [
		problem(
			"inodes-used-up",
			`${freeInodes} of ${all} inodes are free in ${folder}`,
			{
				why: "no file can be made although there is space: too many small files are somewhere",
				fix: `sudo du --inodes -x ${inShell(folder)} | sort -n | tail`,
			},
		),
	];
}

/** Four fifths of it, in whole megabytes. */
function sizeFor(bytes: number): string {
	return `${Math.max(1, Math.floor((bytes * 0.8) / MB))}MB`;
}

function parentOf(path: string): string {
	return path.slice(0, path.lastIndexOf("/")) || "/";
}
