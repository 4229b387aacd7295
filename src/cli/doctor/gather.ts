/** Reads what all checks of `broker doctor` need, once. */
import { resolve } from "node:path";
import type { LoadOptions, loadWithMistakes } from "../../config/config.ts";
import type { AdminConnection } from "../../platform/command.ts";
import { unitOf } from "../../transport/port-holder.ts";
import type { Machine } from "./machine.ts";
import type {
	RunningStatus,
	Situation,
	UnitFacts,
	UserFacts,
} from "./situation.ts";

/** The running broker has this long to tell how it is. */
const ANSWER_MS = 2000;
const SERVICE_FOLDER = "/var/lib/broker";
const PROPERTIES = [
	...["Id", "LoadState", "ActiveState", "SubState", "Result", "UnitFileState"],
	...["NRestarts", "MainPID", "User", "DropInPaths", "NeedDaemonReload"],
	...["LimitNOFILE", "MemoryMax", "AmbientCapabilities", "StateDirectory"],
	"WatchdogUSec",
];

/** Handed in: what is imported from here, the running broker would load in another way. */
export type Load = typeof loadWithMistakes;

export async function gather(
	machine: Machine,
	broker: AdminConnection,
	options: LoadOptions,
	load: Load,
): Promise<Situation> {
	const [running, own] = await Promise.all([
		ask(broker),
		findUnit(machine, unitOfFile(options.file)),
	]);
	const status = typeof running === "string" ? null : running;
	const unit =
		status === null ? own : await unitOfProcess(machine, status.pid, own);
	// The packaged service has other folders than a broker that is started by hand.
	const { config, problems } = load({
		...options,
		underSystemd: options.underSystemd || unit !== null,
	});
	return {
		machine,
		config,
		problems,
		running: status,
		silence: typeof running === "string" ? running : "",
		unit,
		dataDir: resolve(
			status?.dataDir ?? folderOf(config.settings.data_dir, unit),
		),
		brokerUser: await userOf(machine, status, unit),
	};
}

/** @returns why it does not answer, in words */
async function ask(broker: AdminConnection): Promise<RunningStatus | string> {
	let timer: NodeJS.Timeout | undefined;
	const late = new Promise<string>((resolve) => {
		timer = setTimeout(
			() => resolve(`it gave no answer within ${ANSWER_MS / 1000} s`),
			ANSWER_MS,
		);
	});
	const answer = broker.ask("GET", "/status").then(
		(status) => status as RunningStatus,
		(error) => (error instanceof Error ? error.message : String(error)),
	);
	try {
		return await Promise.race([answer, late]);
	} finally {
		clearTimeout(timer);
	}
}

/** The service that reads a file; empty for a file of no service. */
function unitOfFile(file: string | undefined): string {
	if (file === undefined || file === "/etc/broker/broker.conf")
		return "broker.service";
	const name = /^\/etc\/broker\/([\w-]+)\.conf$/.exec(file)?.[1];
	return name === undefined ? "" : `broker@${name}.service`;
}

/** @returns null when systemd does not know it */
async function findUnit(
	machine: Machine,
	name: string,
): Promise<UnitFacts | null> {
	if (name === "") return null;
	const { value } = await machine.run(
		"systemctl",
		"show",
		name,
		`--property=${PROPERTIES.join(",")}`,
	);
	const facts: Record<string, string> = {};
	for (const line of (value ?? "").split("\n")) {
		const at = line.indexOf("=");
		if (at > 0) facts[line.slice(0, at)] = line.slice(at + 1);
	}
	const isKnown = facts.LoadState === "loaded" || facts.LoadState === "masked";
	return isKnown ? facts : null;
}

/** The service that a running broker is; null for one that was started by hand. */
async function unitOfProcess(
	machine: Machine,
	pid: number,
	own: UnitFacts | null,
): Promise<UnitFacts | null> {
	if (own?.MainPID === String(pid)) return own;
	const { value } = await machine.text(`/proc/${pid}/cgroup`);
	const name = unitOf(value ?? "");
	return /^broker(@.+)?\.service$/.test(name) ? findUnit(machine, name) : null;
}

function folderOf(configured: string, unit: UnitFacts | null): string {
	const name = unit?.StateDirectory?.split(" ")[0] ?? "";
	return configured === SERVICE_FOLDER && name !== ""
		? `/var/lib/${name}`
		: configured;
}

/** Whom the broker runs as; the service's user, or whoever asks, while none runs. */
async function userOf(
	machine: Machine,
	running: RunningStatus | null,
	unit: UnitFacts | null,
): Promise<UserFacts> {
	const passwd = parseUsers((await machine.text("/etc/passwd")).value ?? "");
	const nameOf = (uid: number) =>
		passwd.find((user) => user.uid === uid)?.name ?? String(uid);
	const path = running === null ? "/proc/self" : `/proc/${running.pid}`;
	const { value } = await machine.text(`${path}/status`);
	const numbers = (field: string) =>
		(new RegExp(`^${field}:\\s*(.*)$`, "m").exec(value ?? "")?.[1] ?? "")
			.split(/\s+/)
			.filter(Boolean)
			.map(Number);
	const wanted = unit?.User ?? "";
	if (running === null && unit !== null) {
		const name = wanted === "" ? "root" : wanted;
		const found = passwd.find((user) => user.name === name);
		const groups = groupsOf((await machine.text("/etc/group")).value, name);
		if (found !== undefined) return { ...found, groups };
	}
	const uid = numbers("Uid")[1] ?? machine.uid;
	const gid = numbers("Gid")[1] ?? uid;
	return { uid, gid, name: nameOf(uid), groups: numbers("Groups") };
}

interface User {
	readonly name: string;
	readonly uid: number;
	readonly gid: number;
}

function parseUsers(text: string): User[] {
	return text.split("\n").flatMap((line) => {
		const [name = "", , uid, gid] = line.split(":");
		return gid === undefined
			? []
			: [{ name, uid: Number(uid), gid: Number(gid) }];
	});
}

function groupsOf(text: string | null, name: string): number[] {
	return (text ?? "").split("\n").flatMap((line) => {
		const [, , gid, members = ""] = line.split(":");
		return members.split(",").includes(name) ? [Number(gid)] : [];
	});
}
