/**
 * The options of `broker bench`, which are the keys of its scenario files as well: `_` there
 * is `-` here. A table, without defaults that differ by shape (bench/scenario.ts).
 */
import type { CommandOption } from "../platform/command.ts";
import {
	defineFragment,
	type FieldSpec,
	type FieldType,
	type SettingsOf,
} from "../platform/config-field.ts";

export const benchShapes = [
	"connect",
	"pub",
	"sub",
	"fanin",
	"fanout",
	"pair",
	"offline",
	"retained",
] as const;

export type BenchShape = (typeof benchShapes)[number];

/** A row of the table. @param doc a phrase for the help */
function row<const Key extends string, const Type extends FieldType>(
	key: Key,
	type: Type,
	byDefault: string,
	doc: string,
	range: Pick<FieldSpec, "min" | "max" | "values"> = {},
) {
	return {
		key,
		type,
		default: byDefault,
		doc,
		runtime: true,
		...range,
	} as const;
}

export const benchFields = defineFragment({
	title: "broker bench",
	fields: [
		row("host", "text", "127.0.0.1", "the broker's address or name"),
		row("port", "integer", "1883", "its port", { min: 1, max: 65_535 }),
		row("unix", "path", "", "connect to this unix socket instead"),
		row(
			"yes_load_this_host",
			"flag",
			"off",
			"allow a host that is not this machine: its owner has to know",
		),
		row(
			"credentials",
			"path",
			"",
			"username and password, in the first two lines of this file; else MQTT_USERNAME and MQTT_PASSWORD of the environment",
		),
		row("mqtt", "choice", "3.1.1", "the version, 3.1.1 or 5", {
			values: ["3.1.1", "5"],
		}),
		row(
			"client_id",
			"text",
			"bench-%r-%k%i",
			"%i is the client's number (%04i with zeros), %k its kind (p, s or c), %r random for each run",
		),
		row(
			"persistent",
			"flag",
			"off",
			"sessions that outlive their connections; they stay in the broker",
		),
		row("clients", "integer", "1000", "connections of shape connect", {
			min: 1,
			max: 1_000_000,
		}),
		row("publishers", "integer", "1", "how many publish; fanin and pair: 10", {
			min: 1,
			max: 1_000_000,
		}),
		row(
			"subscribers",
			"integer",
			"1",
			"how many subscribe; fanout: 100, pair and offline: 10",
			{ min: 1, max: 1_000_000 },
		),
		row(
			"concurrency",
			"integer",
			"128",
			"connections that are being made at a time",
			{ min: 1, max: 20_000 },
		),
		row(
			"connect_rate",
			"integer",
			"0",
			"connections a second; 0 for as many as there can be",
			{ max: 1_000_000 },
		),
		row("hold", "duration", "1s", "how long connect keeps them open", {
			max: 86_400_000,
		}),
		row(
			"topic",
			"text",
			"",
			"where publishers publish: %i is the publisher's number, %t one of --topics (%g its thousand), %c one of --to-ids",
		),
		row(
			"topics",
			"integer",
			"1",
			"topics that each publisher takes in turn; retained: 1000",
			{
				min: 1,
				max: 1_000_000,
			},
		),
		row(
			"to_ids",
			"text",
			"",
			"topics instead named by client ids, in turn: 0001-1000, or a,b,c",
		),
		row(
			"filter",
			"text",
			"",
			"what subscribers subscribe to, when it does not follow from the topic; %i is the subscriber's number",
		),
		row(
			"keep",
			"flag",
			"off",
			"offline, retained: leave the sessions and messages of the run in the broker",
		),
		row(
			"extra_filters",
			"integer",
			"0",
			"further subscriptions with wildcards that never match",
			{ max: 10_000_000 },
		),
		row("qos", "integer", "0", "of messages and subscriptions (0)", {
			min: 0,
			max: 2,
		}),
		row("payload", "size", "64", "of each message, 16 B at least", {
			min: 16,
			max: 67_108_864,
		}),
		row(
			"retain",
			"flag",
			"off",
			"publish with the retain flag; what is retained stays in the broker",
		),
		row(
			"rate",
			"integer",
			"0",
			"messages a second, of all publishers together; 0 for as many as there can be",
			{ max: 10_000_000 },
		),
		row(
			"interval",
			"duration",
			"0",
			"the same, as the time between two messages of a publisher",
			{ max: 86_400_000 },
		),
		row(
			"window",
			"integer",
			"20",
			"messages of a publisher that may wait for their acknowledgement",
			{ min: 1, max: 65_000 },
		),
		row(
			"lag",
			"integer",
			"0",
			"messages of a publisher that may not be delivered yet; 0 for no limit, so that the broker may have to drop some",
			{ max: 10_000_000 },
		),
		row(
			"burst",
			"integer",
			"65000",
			"messages that a publisher sends in one write",
			{ min: 1, max: 65_000 },
		),
		row("burst_bytes", "size", "16 KB", "the same in bytes", {
			min: 1,
			max: 16_777_216,
		}),
		row(
			"count",
			"integer",
			"0",
			"end after so many messages of each publisher; 0 for the end by time; offline: 1000",
			{ max: 1_000_000_000 },
		),
		row(
			"duration",
			"duration",
			"10s",
			"how long it measures; with --count, how long at most",
			{ min: 100, max: 604_800_000 },
		),
		row("warm_up", "duration", "1s", "how long it sends before it measures", {
			max: 3_600_000,
		}),
		row(
			"drain",
			"duration",
			"5s",
			"how long it waits at the end for what has not arrived",
			{ max: 3_600_000 },
		),
		row(
			"nap",
			"integer",
			"0",
			"microseconds to sleep after each round of sending: more is read at a time, and the generator needs less CPU",
			{ max: 1_000_000 },
		),
		row(
			"no_spin",
			"flag",
			"off",
			"sleep between messages of a fixed rate: less CPU, up to 1 ms late",
		),
		row(
			"pid",
			"integer",
			"0",
			"the broker's process, when it is not found by its port",
			{ max: 2_147_483_647 },
		),
	],
});

export type BenchSettings = SettingsOf<typeof benchFields.fields>;

const shorts: Readonly<Record<string, string>> = { clients: "n" };

/** By key, else by type. */
const placeholders: Readonly<Record<string, string>> = {
	integer: "N",
	duration: "TIME",
	size: "SIZE",
	path: "FILE",
	unix: "PATH",
	host: "HOST",
	mqtt: "VERSION",
	client_id: "TEXT",
	topic: "TOPIC",
	filter: "FILTER",
	to_ids: "IDS",
};

/** As the command line has them. */
export const benchOptions: Readonly<Record<string, CommandOption>> =
	Object.fromEntries(
		benchFields.fields.map((field: FieldSpec): [string, CommandOption] => {
			const { key, type, doc } = field;
			const value = placeholders[key] ?? placeholders[type];
			const short = shorts[key];
			const hasDefault =
				type !== "flag" && field.default !== "" && field.default !== "0";
			return [
				key.replaceAll("_", "-"),
				{
					...(value === undefined ? {} : { value }),
					...(short === undefined ? {} : { short }),
					summary: hasDefault ? `${doc} (${field.default})` : doc,
				},
			];
		}),
	);
