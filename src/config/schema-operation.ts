/**
 * The table of keys, third part: store, log and statistics. A pure table.
 */
import { defineFragment } from "../platform/config-field.ts";

const SECOND = 1000;
const HOUR = 3600 * SECOND;
const MB = 1024 * 1024;

/** Severities, the quietest first; a class or the log as a whole is switched to one of them. */
export const logLevels = [
	"off",
	"error",
	"warning",
	"info",
	"debug",
	"trace",
] as const;

/** What a log line is about; each class has its own switch. */
export const logClasses = [
	"access",
	"packet",
	"protocol",
	"resource",
	"store",
	"config",
	"system",
] as const;
export type LogClass = (typeof logClasses)[number];

const aboutClass: Readonly<Record<LogClass, string>> = {
	access: "who connects and leaves, and who is refused and why",
	packet: "single packets, at the levels debug and trace",
	protocol: "clients that break the protocol",
	resource: "queues, slow readers, memory and limits",
	store: "the database",
	config: "the configuration and its changes",
	system: "start, stop, listeners and the rest",
};

export const storeFields = defineFragment({
	title: "Store",
	fields: [
		{
			key: "persistence",
			type: "flag",
			default: "on",
			runtime: false,
			doc: "Keep sessions, queues and retained messages in data_dir. With `off` they live in memory only: acknowledged messages do not survive a restart.",
		},
		{
			key: "state",
			type: "choice",
			values: ["disk", "ram+checkpoint"],
			default: "disk",
			runtime: false,
			doc: "Where the database is. disk: in data_dir; what is acknowledged survives a power cut. ram+checkpoint: in memory, and copied to data_dir every state.checkpoint_interval, at an orderly stop, and by `broker state checkpoint`; for cards that are worn, and for devices whose disk is mounted read-only most of the time. An acknowledgement then means the memory, not the card: a broker that is killed or crashes loses nothing (under systemd, or until somebody empties state.ram_dir), a power cut or a reset loses what came since the last checkpoint. While data_dir cannot be written the broker goes on and tries again. The database, at most half of what memory_limit leaves to clients, counts against memory_limit. `broker status` tells how old the last checkpoint is.",
		},
		{
			key: "state.checkpoint_interval",
			type: "duration",
			default: "1h",
			min: SECOND,
			max: 30 * 24 * HOUR,
			runtime: true,
			doc: "With state = ram+checkpoint: how often the database is copied to data_dir when anything has changed, and so what a power cut may lose. Each time the whole database is written: a quarter of an hour and 2 MB are 192 MB a day.",
		},
		{
			key: "state.ram_dir",
			type: "path",
			default: "",
			runtime: false,
			doc: "With state = ram+checkpoint: the folder in memory (tmpfs) for the database, in a folder of its own there. Left out, it is the runtime directory that systemd hands over (RUNTIME_DIRECTORY, in /run); started by hand, /dev/shm. The database takes at most half of the file system: Debian gives /run a tenth or a fifth of the memory; for more, mount a tmpfs and name it here (in a hardened unit also by ReadWritePaths=). Not /dev/shm under systemd: RemoveIPC= empties it at each restart.",
		},
		{
			key: "store.commit_interval",
			type: "duration",
			unit: "ms",
			default: "200ms",
			min: 0,
			max: 10 * SECOND,
			runtime: false,
			doc: "How long a QoS 1 message that was sent to a connected client may wait for the client's acknowledgement before it is written to disk. An acknowledgement within this time saves the write, and with it the flash card; otherwise the publisher's own acknowledgement comes this much later. Clients on Wi-Fi that save power often take 100 to 300 ms. Raise it when clients acknowledge slowly and the card matters more than the publishers' waiting; lower it when publishers wait for each acknowledgement before they send the next message; 0 writes every message at once.",
		},
		{
			key: "store.lazy_interval",
			type: "duration",
			default: "5s",
			min: 0,
			max: HOUR,
			runtime: false,
			doc: "How often retained messages published with QoS 0 are written; only the last one of each topic is. A power cut loses at most what changed in this time. That a client has acknowledged a message is written with whatever is written next, or after this time: a client may get what it acknowledged within this time before a power cut once more.",
		},
		{
			key: "retained.<filter>.write_every",
			type: "duration",
			default: "0",
			min: 0,
			max: 24 * HOUR,
			runtime: true,
			example: "retained.meters/+/power.write_every = 60s",
			doc: "How seldom retained messages of QoS 0 on matching topics are written to disk: the first one of a topic within store.lazy_interval, later ones together with those of other topics, once in this time, and always the last one. It spares the flash card what a sensor repeats; the log and `$SYS/broker/store/wear` tell when one topic causes most of the writing. Subscribers notice nothing; after a power cut or a kill the retained message may be so old, an orderly stop writes the last one. QoS 1 and 2 are on disk before they are acknowledged, whatever this says. There may be any number of filters, written as in a subscription, dots and spaces included (but a + for a level that has a `=`, and not in the environment, whose names have no slashes). Of several that match a topic the more particular one counts: names before +, + before #; 0 makes an exception. When more than 4 MB waits, all of it is written early.",
		},
		{
			key: "durability",
			type: "choice",
			values: ["strict", "relaxed"],
			default: "strict",
			runtime: false,
			doc: "What an acknowledgement promises when power fails. strict: what was acknowledged is on the disk. relaxed: what was acknowledged more than store.sync_interval ago is on the disk; the rest may be lost, and a QoS 2 message may then come twice. The database stays whole in both, and neither loses anything when only the broker is killed. relaxed is for slow disks and many small messages: it spares the disk a sync with each commit.",
		},
		{
			key: "store.sync_interval",
			type: "duration",
			default: "5s",
			min: 100,
			max: HOUR,
			runtime: false,
			doc: "With durability = relaxed, how much time of acknowledged messages a power cut may lose: the disk is synced this often, when anything was written.",
		},
		{
			key: "store.degraded_wait",
			type: "duration",
			default: "30s",
			min: 0,
			max: HOUR,
			runtime: true,
			doc: "While the database cannot be written (the disk is full or broken), clients whose messages, subscriptions or sessions have to be stored wait this long. Then they are refused: MQTT 5 clients by reason code 0x97 (quota exceeded), clients of older versions by the end of their connection, as that is what makes them send again. Everything that needs no disk goes on meanwhile, and all of it when the disk is well again. Raise it when clients lose what is refused; 0 refuses at once.",
		},
		{
			key: "store.max_failed_starts",
			type: "integer",
			default: "3",
			min: 0,
			max: 100,
			runtime: false,
			doc: "After so many crashes in a row, each before the broker had run for a minute, the next start leaves the database alone and begins in safe mode: with empty state in memory, an alarm in the log and in $SYS/broker/alarm, and no promise that what is acknowledged survives a restart. An orderly stop ends the row. 0: never.",
		},
		{
			key: "store.max_bytes",
			type: "size",
			default: "unlimited",
			min: 1 * MB,
			max: 1024 * 1024 * MB,
			noLimit: ["unlimited", "0"],
			runtime: true,
			doc: "How large the database file in data_dir may become. Its log (about 8 MB) and a reserve for a full disk (8 MB) come beside it. When the limit is reached the broker does as on a full disk: what has to be stored waits until clients have taken messages away or the limit is raised. Lowering it never makes the file smaller.",
		},
	],
});

export const logFields = defineFragment({
	title: "Log",
	intro:
		"The log goes to standard error, which systemd keeps in the journal. Passwords and payloads never appear in it.",
	fields: [
		{
			key: "log.level",
			type: "choice",
			values: logLevels,
			aliases: { warn: "warning" },
			default: "info",
			runtime: true,
			doc: "The least severe lines that are written.",
		},
		{
			key: "log.format",
			type: "choice",
			values: ["auto", "text", "systemd", "json"],
			default: "auto",
			runtime: false,
			doc: "text: time, level, class and key=value pairs, to be read. systemd: the same with the priority prefix that journald understands, and without the time. json: one object a line. auto: systemd under systemd, else text.",
		},
		...logClasses.map(
			(name) =>
				({
					key: `log.class.${name}`,
					type: "choice",
					values: ["default", ...logLevels],
					aliases: { warn: "warning", console: "default", on: "default" },
					default: "default",
					runtime: true,
					doc: `The level of one class of lines: ${aboutClass[name]}. \`default\` follows log.level.`,
				}) as const,
		),
	],
});

export const statisticsFields = defineFragment({
	title: "Statistics",
	fields: [
		{
			key: "systree_enabled",
			type: "flag",
			default: "on",
			runtime: true,
			doc: "Publish counters and gauges under $SYS.",
		},
		{
			key: "systree_interval",
			type: "duration",
			unit: "ms",
			default: "20s",
			min: SECOND,
			max: HOUR,
			noLimit: ["never", "0"],
			runtime: true,
			doc: "How often they are published. A bare number means milliseconds here, as in VerneMQ. 0 never publishes.",
		},
	],
});

/** Keys for log files: known, and for a later version. */
export const logFileFields = defineFragment({
	title: "Log files",
	intro: "Known keys for logs in files. They do not act yet.",
	fields: [
		{
			key: "log.dir",
			type: "path",
			default: "",
			runtime: false,
			status: "later",
			why: "logs go to standard error, and from there to the journal",
			doc: "The folder for log files; empty writes none.",
		},
		{
			key: "log.max_bytes",
			type: "size",
			default: "10MB",
			min: 1024,
			max: 1024 * MB,
			runtime: false,
			status: "later",
			why: "logs go to standard error; the journal bounds their size",
			doc: "The size at which a log file is rotated.",
		},
		{
			key: "log.max_files",
			type: "integer",
			default: "10",
			min: 1,
			max: 1000,
			runtime: false,
			status: "later",
			why: "logs go to standard error; the journal bounds their size",
			doc: "How many rotated files of each log are kept.",
		},
	],
});
