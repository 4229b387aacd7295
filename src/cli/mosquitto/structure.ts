/** Options of mosquitto that become several keys, or one for all listeners together. */
import type { ConfBlocks } from "./conf-blocks.ts";
import type { ConfLine } from "./conf-file.ts";
import { type Finding, finding } from "./conversion.ts";
import { number, truth } from "./option-values.ts";

interface StructureSetting {
	readonly line: ConfLine;
	/** Keys of ours and their values. */
	readonly settings: readonly (readonly [key: string, value: string])[];
	readonly difference?: string;
}

interface Structure {
	readonly settings: StructureSetting[];
	readonly findings: Finding[];
}

export function structureFindings(blocks: ConfBlocks): Structure {
	const made: Structure = { settings: [], findings: [] };
	const last = (option: string) =>
		blocks.broker.findLast((line) => line.option === option);
	addQueues(made, last("max_queued_messages"));
	addStatistics(made, last("sys_interval"));
	addPersistence(made, last("persistence") ?? last("retained_persistence"), [
		last("persistence_location"),
		last("persistence_file"),
	]);
	addLog(made, blocks.broker);
	addOfAllListeners(made, blocks, ["max_qos", "maximum_qos"], "max_qos");
	addOfAllListeners(
		made,
		blocks,
		["max_topic_alias"],
		"topic_alias_max_client",
	);
	addOfAllListeners(
		made,
		blocks,
		["max_topic_alias_broker"],
		"topic_alias_max_broker",
	);
	addDefaults(made, blocks.broker);
	for (const line of [
		...blocks.broker,
		...blocks.listeners.flatMap(({ lines }) => lines),
	])
		if (partOfListeners.has(line.option))
			made.findings.push(finding(line, "mapped", "see its listener"));
	return made;
}

/** Their effect is told with the listener. */
const partOfListeners = new Set([
	"allow_anonymous",
	"bind_address",
	"bind_interface",
	"port",
	"protocol",
	"socket_domain",
]);

function addQueues(made: Structure, line: ConfLine | undefined): void {
	if (line === undefined) return;
	const count = number(line.value) ?? 0;
	const value = count <= 0 ? "unlimited" : String(count);
	made.settings.push({
		line,
		settings: [
			["max_offline_messages", value],
			["max_online_messages", value],
		],
	});
}

const LONGEST_SECONDS = 3600;

function addStatistics(made: Structure, line: ConfLine | undefined): void {
	if (line === undefined) return;
	const seconds = number(line.value) ?? 0;
	if (seconds <= 0) {
		made.settings.push({ line, settings: [["systree_enabled", "off"]] });
		return;
	}
	const settings = [
		["systree_interval", `${Math.min(seconds, LONGEST_SECONDS)}s`],
	] as const;
	const difference = "one hour is the most here";
	made.settings.push(
		seconds > LONGEST_SECONDS
			? { line, settings, difference }
			: { line, settings },
	);
}

function addPersistence(
	made: Structure,
	line: ConfLine | undefined,
	places: readonly (ConfLine | undefined)[],
): void {
	if (line === undefined) {
		made.findings.push(
			byItself(
				"persistence",
				"mosquitto keeps nothing over a restart without `persistence true`; here the state is kept, unless persistence = off",
			),
		);
	} else {
		const value = truth(line.value) === true ? "on" : "off";
		const difference =
			value === "on"
				? "what is acknowledged is on the disk, not only from time to time"
				: undefined;
		made.settings.push({
			line,
			settings: [["persistence", value]],
			...(difference !== undefined && { difference }),
		});
	}
	for (const place of places)
		if (place !== undefined)
			made.findings.push(
				finding(
					place,
					"not needed",
					"where mosquitto's state is read from; ours is in data_dir",
				),
			);
}

/** Least severe first. */
const levels: readonly (readonly [level: string, types: readonly string[]])[] =
	[
		["debug", ["debug", "all", "subscribe", "unsubscribe", "internal"]],
		["info", ["information", "notice", "websockets"]],
		["warning", ["warning"]],
		["error", ["error"]],
	];

function addLog(made: Structure, lines: readonly ConfLine[]): void {
	const of = (option: string) => lines.filter((line) => line.option === option);
	const types = of("log_type");
	const destinations = of("log_dest");
	const isSilent = destinations.at(-1)?.value === "none";
	const words = types.map(({ value }) => value.split(/\s/, 1)[0] ?? "");
	const none = words.lastIndexOf("none");
	const wanted = words.slice(none + 1);
	const level =
		levels.find(([, names]) =>
			names.some((name) => wanted.includes(name)),
		)?.[0] ?? "off";
	const deciding = isSilent ? destinations.at(-1) : types.at(-1);
	if (deciding !== undefined) {
		const difference =
			types.length > 1
				? "here a level stands for all that is more severe"
				: undefined;
		made.settings.push({
			line: deciding,
			settings: [["log.level", isSilent ? "off" : level]],
			...(difference !== undefined && { difference }),
		});
	}
	for (const line of types)
		if (line !== deciding)
			made.findings.push(finding(line, "mapped", "see log.level"));
	for (const line of destinations)
		if (line !== deciding) made.findings.push(destination(line));
	const messages = of("connection_messages").at(-1);
	if (messages !== undefined)
		made.settings.push({
			line: messages,
			settings: [
				[
					"log.class.access",
					truth(messages.value) === false ? "warning" : "default",
				],
			],
		});
}

function destination(line: ConfLine): Finding {
	const [word = ""] = line.value.split(/\s/, 1);
	if (word === "file")
		return finding(
			line,
			"later",
			"there are no log files yet; the log goes to standard error, and from there to the journal (journalctl -u broker)",
		);
	if (word === "topic")
		return finding(line, "not mapped", "the log is not published");
	return finding(
		line,
		"not needed",
		"the log goes to standard error, and from there to the journal",
	);
}

/** One value here, where each listener of mosquitto has its own. */
function addOfAllListeners(
	made: Structure,
	{ listeners }: ConfBlocks,
	options: readonly string[],
	key: string,
): void {
	const lines = listeners.flatMap((listener) => {
		const line = listener.lines.findLast(({ option }) =>
			options.includes(option),
		);
		return line === undefined ? [] : [line];
	});
	const [first] = lines;
	if (first === undefined) return;
	const values = new Set(lines.map(({ value }) => number(value)));
	const isOne = values.size === 1 && lines.length === listeners.length;
	for (const line of lines) {
		if (!isOne)
			made.findings.push(
				finding(
					line,
					"not mapped",
					`${key} is one value for all listeners here, and mosquitto's differ: set it by hand`,
				),
			);
		else if (line === first)
			made.settings.push({
				line,
				settings: [[key, String(number(line.value) ?? line.value)]],
			});
		else
			made.findings.push(finding(line, "mapped", `${key}, for all listeners`));
	}
}

/** What mosquitto does without being told, and we do not. */
function addDefaults(made: Structure, lines: readonly ConfLine[]): void {
	const has = (...names: string[]) =>
		lines.some(({ option }) => names.includes(option));
	if (!has("persistent_client_expiration"))
		made.findings.push(
			byItself(
				"persistent_client_expiration",
				"mosquitto keeps sessions of clients that never come back for ever; here they end after 30 days, unless persistent_client_expiration = never",
			),
		);
	if (!has("message_size_limit", "max_packet_size"))
		made.findings.push(
			byItself(
				"max_packet_size",
				"mosquitto 2.0 takes messages of up to 256 MB, here max_message_size = 10MB is the default",
			),
		);
}

function byItself(option: string, words: string): Finding {
	return {
		status: "mapped with a difference",
		where: "",
		text: `(no ${option})`,
		words,
	};
}
