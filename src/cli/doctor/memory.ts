import { memoryLimit } from "../../broker/memory-plan.ts";
import { inBytes } from "../../platform/words.ts";
import { type Finding, note, ok, problem, warning } from "./finding.ts";
import type { Machine } from "./machine.ts";
import { type Check, editUnit, type Situation, setKey } from "./situation.ts";

const KB = 1024;
const STRICT_OVERCOMMIT = "2";

/** Whether the memory that the broker may take is there. */
export const memory: Check = {
	subject: "memory",
	async look(situation) {
		const { machine } = situation;
		return [
			...(await limits(situation)),
			...(await swap(machine)),
			...(await overcommit(machine)),
			...(await arenas(situation)),
		];
	},
};

async function limits(situation: Situation): Promise<Finding[]> {
	const { machine, config, running } = situation;
	const configured = config.settings.memory_limit;
	const cgroupBytes = await groupLimit(situation);
	const { ramBytes } = machine;
	const limit = memoryLimit(configured, { ramBytes, cgroupBytes });
	const shown = `memory_limit is ${inBytes(limit)}${Number.isFinite(configured) ? "" : " (auto)"}`;
	if (limit > cgroupBytes)
		return [
			problem(
				"memory-limit-above-group",
				`${shown}, and its control group ends it at ${inBytes(cgroupBytes)}`,
				{
					why: "the kernel kills the broker before it knows that memory is short",
					fix:
						situation.unit === null
							? setKey(situation, "memory_limit", "auto")
							: editUnit(situation, `MemoryMax=${Math.ceil(limit * 1.2)}`),
				},
			),
		];
	if (limit > 0.9 * ramBytes)
		return [
			warning(
				"memory-limit-above-ram",
				`${shown}, and the machine has ${inBytes(ramBytes)}`,
				{
					why: "the kernel kills the broker, or another program, before it knows that memory is short",
					fix: setKey(situation, "memory_limit", "auto"),
				},
			),
		];
	const held = running?.memory?.residentBytes ?? 0;
	const available = await availableBytes(machine);
	if (available !== null && limit - held > available)
		return [
			note(
				"memory-short",
				`${shown}; the broker has ${inBytes(held)} of it, and ${inBytes(available)} are available now`,
				{
					why: "other programs may leave too little when it needs the rest",
					fix: "ps aux --sort=-rss | head",
				},
			),
		];
	return [ok("memory", `${shown} of ${inBytes(ramBytes)}`)];
}

async function availableBytes(machine: Machine): Promise<number | null> {
	const { value } = await machine.text("/proc/meminfo");
	const kilobytes = /^MemAvailable:\s+(\d+) kB/m.exec(value ?? "")?.[1];
	return kilobytes === undefined ? null : Number(kilobytes) * KB;
}

/** Of the running broker's group and those above it, or of the service that would be one. */
async function groupLimit({
	machine,
	running,
	unit,
}: Situation): Promise<number> {
	const ofUnit = Number(unit?.MemoryMax ?? Number.NaN);
	let least = Number.isFinite(ofUnit) && ofUnit > 0 ? ofUnit : Infinity;
	if (running === null && unit !== null) return least;
	const process = running === null ? "self" : running.pid;
	const { value } = await machine.text(`/proc/${process}/cgroup`);
	let group = /^0::(\/.*)$/m.exec(value ?? "")?.[1] ?? "";
	while (group !== "" && group !== "/") {
		const path = `/sys/fs/cgroup${group}/memory.max`;
		const limit = Number.parseInt((await machine.text(path)).value ?? "", 10);
		if (Number.isFinite(limit)) least = Math.min(least, limit);
		group = group.slice(0, group.lastIndexOf("/"));
	}
	return least;
}

async function swap(machine: Machine): Promise<Finding[]> {
	const { value } = await machine.text("/proc/swaps");
	const places = (value ?? "")
		.split("\n")
		.slice(1)
		.map((line) => line.split(/\s+/)[0] ?? "")
		.filter((place) => place !== "" && !/\/zram\d+$/.test(place));
	const { value: table } = await machine.text("/proc/self/mountinfo");
	const rootIsCard = /^\S+ \S+ \S+ \S+ \/ .* \/dev\/mmcblk/m.test(table ?? "");
	const onCard = places.filter(
		(place) =>
			place.includes("mmcblk") || (rootIsCard && !place.startsWith("/dev/")),
	);
	if (onCard.length === 0) return [];
	return [
		note("swap-on-card", `the machine swaps to a card: ${onCard.join(", ")}`, {
			why: "it wears the card, and makes everything wait when memory is short; swap in compressed memory (zram) does neither",
			fix: "sudo dphys-swapfile swapoff; sudo systemctl disable --now dphys-swapfile; sudo apt install zram-tools",
		}),
	];
}

async function overcommit(machine: Machine): Promise<Finding[]> {
	const { value } = await machine.text("/proc/sys/vm/overcommit_memory");
	if (value?.trim() !== STRICT_OVERCOMMIT) return [];
	return [
		warning("overcommit-strict", "vm.overcommit_memory is 2", {
			why: "the runtime reserves far more address space than it uses, and may fail to start or to grow",
			fix: "sudo sysctl vm.overcommit_memory=0   # and take it out of /etc/sysctl.d/",
		}),
	];
}

/** glibc's pools for threads, of which each keeps what it has had. */
async function arenas(situation: Situation): Promise<Finding[]> {
	const { machine, running, unit } = situation;
	if (running === null) return [];
	const { value } = await machine.text(`/proc/${running.pid}/environ`);
	if (value === null || /(^|\0)MALLOC_ARENA_MAX=/.test(value)) return [];
	return [
		note("malloc-arenas", "the broker was started without MALLOC_ARENA_MAX=2", {
			why: "it takes some megabytes more of memory",
			fix:
				unit === null
					? "export MALLOC_ARENA_MAX=2   # before it is started"
					: editUnit(situation, "Environment=MALLOC_ARENA_MAX=2"),
		}),
	];
}
