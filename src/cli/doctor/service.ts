import { version } from "../../platform/version.ts";
import { inTime } from "../../platform/words.ts";
import { type Finding, note, ok, problem, warning } from "./finding.ts";
import type { Machine } from "./machine.ts";
import { type Check, restart, type Situation, unitName } from "./situation.ts";

/** Whether a broker runs, and whether this program is of the same version. */
export const runningBroker: Check = {
	subject: "running broker",
	async look(situation) {
		const { running, silence, unit } = situation;
		if (running === null)
			return unit?.ActiveState === "active" ||
				silence.includes("not for this user")
				? [] // said by others: the service, the admin socket
				: [
						note("not-running", silence.split(". Start it")[0] ?? silence, {
							fix:
								unit === null
									? "broker"
									: `sudo systemctl start ${unitName(situation)}`,
						}),
					];
		if (running.version !== version)
			return [
				warning(
					"version-differs",
					`the running broker (pid ${running.pid}) is version ${running.version}, this program ${version}`,
					{
						why: "it was not restarted after an upgrade",
						fix: restart(situation),
					},
				),
			];
		return [
			ok("running", `broker ${running.version} runs (pid ${running.pid})`),
		];
	},
};

/** What systemd says of the service. */
export const service: Check = {
	subject: "service",
	async look(situation) {
		const { unit } = situation;
		if (unit === null) return [];
		return [
			...active(situation),
			...enabled(situation),
			...restarts(situation),
			...(await watchdog(situation)),
			...changed(situation),
		];
	},
};

function active(situation: Situation): Finding[] {
	const { unit, running, silence } = situation;
	const name = unitName(situation);
	const { ActiveState, SubState, Result } = unit ?? {};
	const log = `journalctl -u ${name} -n 50 --no-pager`;
	if (ActiveState === "failed" || SubState === "auto-restart")
		return [
			problem(
				"service-failed",
				`the service ${name} has failed (${Result ?? "no result"})`,
				{ why: "its log says why", fix: log },
			),
		];
	if (ActiveState === "activating" || ActiveState === "deactivating")
		return [note("service-changing", `the service ${name} is ${ActiveState}`)];
	if (ActiveState !== "active")
		return running === null
			? [
					warning("service-inactive", `the service ${name} does not run`, {
						fix: `sudo systemctl start ${name}`,
					}),
				]
			: [
					warning(
						"service-beside",
						`a broker runs (pid ${running.pid}), and it is not the service ${name}`,
						{
							why: "it ends with whoever started it, and is not there after a boot",
							fix: `kill ${running.pid}; sudo systemctl start ${name}`,
						},
					),
				];
	const isMute = running === null && !silence.includes("not for this user");
	if (isMute)
		return [
			problem(
				"broker-silent",
				`the service ${name} is active, and does not answer: ${silence}`,
				{ why: "no command reaches it", fix: log },
			),
		];
	return [ok("service", `the service ${name} is active`)];
}

function enabled(situation: Situation): Finding[] {
	const { UnitFileState } = situation.unit ?? {};
	const name = unitName(situation);
	if (UnitFileState === "masked")
		return [
			problem("service-masked", `the service ${name} is masked`, {
				why: "it can be started by nobody",
				fix: `sudo systemctl unmask ${name}`,
			}),
		];
	if (UnitFileState !== "disabled") return [];
	return [
		warning("service-not-enabled", `the service ${name} is not enabled`, {
			why: "the broker is not started when the machine boots",
			fix: `sudo systemctl enable ${name}`,
		}),
	];
}

function restarts(situation: Situation): Finding[] {
	const count = Number(situation.unit?.NRestarts ?? 0);
	if (!(count > 0)) return [];
	const name = unitName(situation);
	return [
		warning(
			"service-restarts",
			`systemd has started ${name} again ${count === 1 ? "once" : `${count} times`} after it ended by a failure`,
			{
				why: "the log of the end before each start says why",
				fix: `journalctl -u ${name} -p warning -n 50 --no-pager`,
			},
		),
	];
}

/** Starts that the watchdog has caused. */
async function watchdog({ machine, unit }: Situation): Promise<Finding[]> {
	const name = unitName({ unit });
	const { value } = await journal(machine, name);
	const times = (value ?? "")
		.split("\n")
		.filter((line) => /watchdog timeout/i.test(line));
	const last = times.at(-1);
	if (last === undefined) return [];
	const at = /^\S+/.exec(last)?.[0] ?? "";
	return [
		warning(
			"watchdog-restarts",
			`systemd's watchdog has ended ${name} ${times.length === 1 ? "once" : `${times.length} times`} since the boot, the last time ${at}`,
			{
				why: "the broker had stopped working; the lines before it in the log say what hung",
				fix: `journalctl -u ${name} -b --no-pager | grep -B5 -i 'watchdog timeout'`,
			},
		),
	];
}

function journal(machine: Machine, name: string) {
	const form = ["-q", "--no-pager", "-o", "short-iso", "-n", "2000"];
	return machine.run("journalctl", "-u", name, "-b", ...form);
}

function changed({ unit }: Situation): Finding[] {
	const findings: Finding[] = [];
	const name = unitName({ unit });
	if (unit?.NeedDaemonReload === "yes")
		findings.push(
			warning(
				"service-not-reloaded",
				`the unit of ${name} was changed, and systemd has not read it`,
				{
					fix: `sudo systemctl daemon-reload && sudo systemctl restart ${name}`,
				},
			),
		);
	const dropIns = (unit?.DropInPaths ?? "").split(" ").filter(Boolean);
	if (dropIns.length > 0)
		findings.push(
			note(
				"service-drop-ins",
				`the unit of ${name} is changed by ${dropIns.join(", ")}`,
				{ fix: `systemctl cat ${name}` },
			),
		);
	const watchdogMs = Number(unit?.WatchdogUSec ?? Number.NaN) / 1000;
	if (watchdogMs === 0)
		findings.push(
			note("service-without-watchdog", `${name} has no watchdog`, {
				why: "a broker that hangs is not started again",
				fix: `systemctl cat ${name}   # WatchdogSec= of the packaged unit is ${inTime(60_000)}`,
			}),
		);
	return findings;
}
