/** What all checks of `broker doctor` get: the machine, the configuration, and the broker if one runs. */
import { dirname, join, resolve } from "node:path";
import type { BrokerStatus, StateFile } from "../../broker/broker-api.ts";
import type { LoadedConfig } from "../../config/config.ts";
import type { ConfigProblem } from "../../config/problems.ts";
import { inShell } from "../in-shell.ts";
import type { Finding } from "./finding.ts";
import type { Machine } from "./machine.ts";

/** As the admin socket gives it; an older broker may lack some of it. */
export type RunningStatus = Pick<BrokerStatus, "pid" | "version" | "dataDir"> &
	Partial<
		Pick<
			BrokerStatus,
			| "alarms"
			| "connections"
			| "counters"
			| "degraded"
			| "durability"
			| "listeners"
			| "memory"
			| "wear"
		>
	> & { readonly file?: StateFile | null };

/** A user, by numbers as files have them. */
export interface UserFacts {
	readonly uid: number;
	readonly gid: number;
	readonly name: string;
	/** Beside `gid`. */
	readonly groups: readonly number[];
}

/** What `systemctl show` says of the service; names as there. */
export type UnitFacts = Readonly<Record<string, string>>;

export interface Situation {
	readonly machine: Machine;
	/** What has a mistake in it is as if it had not been set. */
	readonly config: LoadedConfig;
	readonly problems: readonly ConfigProblem[];
	/** Null when none answers on the admin socket. */
	readonly running: RunningStatus | null;
	/** Why none answers, in words. */
	readonly silence: string;
	/** Null where systemd does not know the broker. */
	readonly unit: UnitFacts | null;
	/** Where the state is, or would be. */
	readonly dataDir: string;
	/** Whom the broker runs as, or would run as. */
	readonly brokerUser: UserFacts;
}

export interface Check {
	/** What is looked at, for a person: `free space`. */
	readonly subject: string;
	look(situation: Situation): Promise<readonly Finding[]>;
}

/** What a unit is called on a command line; `broker` where there is none. */
export function unitName({ unit }: Pick<Situation, "unit">): string {
	return (unit?.Id ?? "broker").replace(/\.service$/, "");
}

/** The command that starts the broker anew, as it was started. */
export function restart(situation: Pick<Situation, "unit">): string {
	return situation.unit === null
		? "stop the broker, and start it again"
		: `sudo systemctl restart ${unitName(situation)}`;
}

/** The command that changes the service, in a file that is read behind those of others. */
export function editUnit(
	situation: Pick<Situation, "unit">,
	...lines: string[]
): string {
	const name = unitName(situation);
	const folder = `/etc/systemd/system/${name}.service.d`;
	const file = `${folder}/zz-doctor-${(lines[0] ?? "").split("=")[0]?.toLowerCase()}.conf`;
	return `sudo mkdir -p ${folder} && printf '${["[Service]", ...lines].join("\\n")}\\n' | sudo tee ${file} && sudo systemctl daemon-reload && sudo systemctl restart ${name}`;
}

/** The command that sets a key, in a file that is read behind the others. */
export function setKey(
	{ config, running }: Pick<Situation, "config" | "running">,
	key: string,
	value: string,
): string {
	const main = config.files[0];
	if (main === undefined) return `start the broker with --set ${key}=${value}`;
	const included = config.settings.include_dir;
	const folder = resolve(dirname(main), included);
	const isOff = included === "" || included === "off";
	const file = isOff ? resolve(main) : join(folder, "zz-doctor.conf");
	const make = isOff ? "" : `sudo mkdir -p ${inShell(folder)} && `;
	const reload = running === null ? "" : " && sudo broker reload";
	return `${make}echo '${key} = ${value}' | sudo tee -a ${inShell(file)}${reload}`;
}
