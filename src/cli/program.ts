/**
 * What the program says of itself beside its commands: one text for `--help` and for the
 * manual pages. A table.
 */
import type { CommandDescription, CommandOption } from "../platform/command.ts";

/** Of the one file, by the name that it is called by. */
export type ProgramName = "broker" | "brokerctl";

export const programs: Readonly<
	Record<ProgramName, { readonly summary: string; readonly about: string }>
> = {
	broker: {
		summary: "the MQTT broker for small Linux devices",
		about:
			"Without a command it runs the broker, in the foreground, until a signal stops it. It needs no configuration. Commands look after the running broker, or after the state of one that does not run.",
	},
	brokerctl: {
		summary: "look after the MQTT broker",
		about:
			"The commands of broker under another name, for administrators: it never starts a broker itself. Commands look after the running broker, or after the state of one that does not run.",
	},
};

export const runCommand: CommandDescription = {
	name: "run",
	summary: "run the broker, as without a command",
	about: [
		"Runs in the foreground and logs to standard error, until SIGTERM or SIGINT stops it. Nothing that was acknowledged is lost by a stop, nor when the process is killed.",
	],
	options: {
		"check-config": {
			summary:
				"print every mistake with file and line and start nothing, as config check does",
		},
		"reset-state": {
			summary:
				"move sessions, queued and retained messages aside and start with none",
		},
	},
	examples: [
		"",
		"-c /etc/broker/second.conf",
		"--set listener.tcp.default=0.0.0.0:1883 --set log.level=debug",
	],
};

/** What all commands understand. */
export const generalOptions: Readonly<Record<string, CommandOption>> = {
	config: {
		value: "FILE",
		short: "c",
		summary: "read FILE instead of /etc/broker/broker.conf",
	},
	set: {
		value: "KEY=VALUE",
		summary: "overrules the files; may be given several times",
	},
	socket: {
		value: "PATH",
		summary:
			"the admin socket of the running broker, when it is not where the configuration says (admin.socket)",
	},
	help: { short: "h", summary: "say what a command does, and how to call it" },
	licenses: {
		summary: "print the licences of everything in the program",
	},
	version: {
		short: "V",
		summary: "print the version, and those of Node and SQLite",
	},
};

type Rows = readonly (readonly [what: string, means: string])[];

export const exitCodes: Rows = [
	["0", "done"],
	["1", "not done, and why is on standard error; doctor: warnings"],
	["2", "wrong arguments; doctor: problems"],
	["69", "no broker answers on the admin socket"],
	["70", "an unexpected failure, which is worth a report"],
	[
		"74",
		"the database failed while the broker ran; started again, it mends it",
	],
	["78", "the configuration has mistakes; nothing was started or changed"],
];

export const signals: Rows = [
	[
		"SIGTERM, SIGINT",
		"stop: tell the clients, write what waits, end within 10 s",
	],
	[
		"SIGHUP",
		"read the configuration again; a mistake in it leaves everything as it is",
	],
];

export const files: Rows = [
	["/etc/broker/broker.conf", "the configuration, see broker.conf(5)"],
	["/etc/broker/conf.d/*.conf", "the place for changes to it"],
	[
		"/var/lib/broker/broker.db",
		"sessions, queued and retained messages (data_dir); started by hand, the broker keeps them in ./data",
	],
	[
		"/var/lib/broker/quarantine/",
		"damaged databases, after what could be read was saved; the newest three",
	],
	[
		"/var/lib/broker/set-aside/",
		"what state restore, state reset and --reset-state replaced; nothing deletes it",
	],
	[
		"/run/broker/admin.sock",
		"where the running broker takes commands, for root and members of the group broker",
	],
];

export const environment: Rows = [
	[
		"BROKER_...",
		"any key of the configuration, in capitals, with __ for each dot: BROKER_LISTENER__TCP__DEFAULT=127.0.0.1:1884",
	],
	[
		"STATE_DIRECTORY, RUNTIME_DIRECTORY",
		"set by systemd: where data_dir and admin.socket are by default",
	],
	[
		"NOTIFY_SOCKET, WATCHDOG_USEC",
		"set by systemd: readiness, status and proof of life go there",
	],
	[
		"NODE_OPTIONS",
		"options of the runtime; they overrule the limits that follow from memory_limit",
	],
];
