import { dirname, join } from "node:path";
import { inShell } from "../in-shell.ts";
import { type Finding, note, ok, problem, warning } from "./finding.ts";
import type { FileFacts, Machine } from "./machine.ts";
import {
	type Check,
	restart,
	type Situation,
	type UserFacts,
	unitName,
} from "./situation.ts";

const READ = 4;
const WRITE = 2;
const ENTER = 1;

/** Owners and permissions of the configuration, the state and the admin socket. */
export const owners: Check = {
	subject: "owners and permissions",
	async look(situation) {
		const findings = [
			...(await configFiles(situation)),
			...(await stateFolder(situation)),
			...(await adminSocket(situation)),
		];
		return findings.length > 0
			? findings
			: [
					ok(
						"permissions",
						`user ${situation.brokerUser.name} may read the configuration and write the state`,
					),
				];
	},
};

async function configFiles({
	config,
	machine,
	brokerUser,
}: Situation): Promise<Finding[]> {
	const findings: Finding[] = [];
	for (const path of config.files) {
		const { value: facts } = await machine.file(path);
		if (facts === null || facts.kind !== "file") continue;
		const group = brokerUser.uid === 0 ? "root" : brokerUser.name;
		if (!may(brokerUser, facts, READ))
			findings.push(
				problem(
					"config-not-readable",
					`user ${brokerUser.name} may not read ${path} (${describe(facts)})`,
					{
						why: "the broker does not start without it",
						fix: `sudo chown root:${group} ${inShell(path)} && sudo chmod 640 ${inShell(path)}`,
					},
				),
			);
		if ((facts.mode & 0o002) !== 0)
			findings.push(
				warning(
					"config-writable-by-all",
					`everybody may change ${path} (${describe(facts)})`,
					{
						why: "whoever may change it decides who gets in",
						fix: `sudo chmod o-w ${inShell(path)}`,
					},
				),
			);
	}
	return findings;
}

async function stateFolder(situation: Situation): Promise<Finding[]> {
	const { machine, config, dataDir, brokerUser, unit } = situation;
	if (!config.settings.persistence) return [];
	const { value: facts, why } = await machine.file(dataDir);
	if (facts === null)
		return why === "missing" ? missingFolder(situation) : [notSeen(dataDir)];
	const mend = `sudo chown -R ${brokerUser.name}: ${inShell(dataDir)}`;
	const again = unit === null ? mend : `${mend} && ${restart(situation)}`;
	const whyNot =
		"the broker begins in safe mode: in memory, and what it acknowledges does not survive a restart";
	if (facts.kind !== "folder")
		return [
			problem("data-dir-no-folder", `${dataDir} is not a folder`, {
				why: whyNot,
				fix: `sudo mv ${inShell(dataDir)} ${inShell(`${dataDir}.old`)}`,
			}),
		];
	if (!may(brokerUser, facts, WRITE | ENTER))
		return [
			problem(
				"data-dir-not-writable",
				`user ${brokerUser.name} may not write in ${dataDir} (${describe(facts)})`,
				{ why: whyNot, fix: again },
			),
		];
	const findings = await stateFiles(situation, whyNot, again);
	if ((facts.mode & 0o007) !== 0)
		findings.push(
			warning(
				"data-dir-open",
				`${dataDir} is open to every user of this machine (${describe(facts)})`,
				{
					why: "it holds what clients have sent",
					fix: `sudo chmod 750 ${inShell(dataDir)}`,
				},
			),
		);
	return findings;
}

async function stateFiles(
	{ machine, dataDir, brokerUser }: Situation,
	why: string,
	fix: string,
): Promise<Finding[]> {
	const names = await machine.names(dataDir);
	if (names.value === null) return [notSeen(dataDir)];
	const own = names.value.filter((name) => name.startsWith("broker.db"));
	for (const name of own) {
		const { value: facts } = await machine.file(join(dataDir, name));
		if (facts === null || may(brokerUser, facts, READ | WRITE)) continue;
		return [
			problem(
				"state-wrong-owner",
				`user ${brokerUser.name} may not write ${join(dataDir, name)} (${describe(facts)})`,
				{ why: `${why}; a broker was started as another user before`, fix },
			),
		];
	}
	return [];
}

/** Under systemd, StateDirectory= makes it. */
async function missingFolder({
	machine,
	dataDir,
	brokerUser,
	unit,
}: Situation): Promise<Finding[]> {
	if (unit?.StateDirectory) return [];
	let parent = dirname(dataDir);
	let seen = await machine.file(parent);
	while (seen.value === null && parent !== "/") {
		parent = dirname(parent);
		seen = await machine.file(parent);
	}
	if (seen.value !== null && may(brokerUser, seen.value, WRITE | ENTER))
		return [
			note("data-dir-missing", `${dataDir} is not there; a start makes it`),
		];
	return [
		problem(
			"data-dir-missing",
			`${dataDir} is not there, and user ${brokerUser.name} may not make it in ${parent}`,
			{
				why: "the broker begins in safe mode: nothing survives a restart",
				fix: `sudo install -d -o ${brokerUser.name} -m 750 ${inShell(dataDir)}`,
			},
		),
	];
}

async function adminSocket(situation: Situation): Promise<Finding[]> {
	const { machine, config, running, silence } = situation;
	const path = config.settings["admin.socket"];
	if (path === "") return [];
	const { value: facts } = await machine.file(path);
	if (facts !== null && facts.kind === "socket" && (facts.mode & 0o002) !== 0)
		return [
			problem(
				"admin-socket-open",
				`every user of this machine may use ${path} (${describe(facts)})`,
				{
					why: "whoever may open it may do everything, such as ending sessions",
					fix: `sudo chmod 660 ${inShell(path)}`,
				},
			),
		];
	if (running !== null || !isForbidden(silence, machine)) return [];
	return [
		note(
			"admin-socket-forbidden",
			`${machine.userName} may not ask the running broker on its admin socket`,
			{
				why: "members of the group broker may; what only the running broker knows is missing here",
				fix: `sudo usermod -aG broker ${machine.userName}   # and log in again; or: sudo broker doctor`,
			},
		),
	];
}

function isForbidden(silence: string, { uid }: Machine): boolean {
	return uid !== 0 && silence.includes("not for this user");
}

/** Whether a user has all of these rights, by owner, group and mode; no access lists. */
function may(user: UserFacts, { uid, gid, mode }: FileFacts, want: number) {
	if (user.uid === 0) return true;
	const isMember = user.gid === gid || user.groups.includes(gid);
	const shift = user.uid === uid ? 6 : isMember ? 3 : 0;
	return ((mode >> shift) & want) === want;
}

function describe({ uid, gid, mode }: FileFacts): string {
	return `owner ${uid}:${gid}, mode ${mode.toString(8).padStart(4, "0")}`;
}

function notSeen(path: string): Finding {
	return note("state-not-visible", `${path} may not be looked into by you`, {
		fix: "sudo broker doctor",
	});
}

/** The user that runs the broker, and whether that is the one it should be. */
export const user: Check = {
	subject: "user",
	async look(situation) {
		const { running, unit, brokerUser } = situation;
		if (running === null) return [];
		const wanted = unit?.User ?? "";
		if (wanted !== "" && wanted !== brokerUser.name)
			return [
				problem(
					"wrong-user",
					`the broker (pid ${running.pid}) runs as ${brokerUser.name}, its service as ${wanted}`,
					{
						why: "it was started by hand, and its files will not be writable for the service",
						fix: `sudo kill ${running.pid} && sudo chown -R ${wanted}: ${inShell(situation.dataDir)} && sudo systemctl start ${unitName(situation)}`,
					},
				),
			];
		if (brokerUser.uid !== 0)
			return [ok("user", `the broker runs as ${brokerUser.name}`)];
		return [
			warning("runs-as-root", `the broker (pid ${running.pid}) runs as root`, {
				why: "whoever finds a hole in it has the whole machine; it needs no rights",
				fix: "run it as a user of its own: the packaged service does (systemctl start broker)",
			}),
		];
	},
};
