/**
 * Writes the table as `broker.conf`: a manual in which every line is a comment.
 *
 * `node src/config/render.ts broker.conf` makes the file of the repository again (to
 * standard output without a name); a test compares the two.
 */
import { writeFileSync } from "node:fs";
import type { FieldSpec, SchemaFragment } from "../platform/config-field.ts";
import { coreFragments } from "./schema.ts";
import { describeRange } from "./values.ts";

const WIDTH = 78;

const introduction = `
# The configuration of the broker.
#
# Every key is here, commented out, with its default: the broker runs without
# any configuration. To change a value, take the # away from its line or,
# better, put the line into a file of its own in conf.d, next to this file.
#
# FORM
#   One \`key = value\` on a line. A line that begins with # is a comment;
#   behind a value, a # that has a space before it begins one. A value with
#   " #" in it, or with spaces at its ends, goes into "quotes" or 'quotes'.
#   If a key is there twice, the later line counts. A key that does not exist
#   is a mistake, and the broker does not start.
#
#   on/off    also true/false and yes/no
#   times     20s, 500ms, 5min (or 5m), 1h, 30d, 1w, 1y; a bare number means
#             seconds where nothing else is said
#   sizes     512B, 64KB, 10MB, 1GB; 1KB is 1024 bytes, a bare number means
#             bytes
#
# ORDER
#   Later ones win: the defaults; this file; the files in include_dir, in the
#   order of their names; the environment; the command line.
#
#   environment    BROKER_ and the key in capitals, with __ for each dot:
#                  BROKER_MAX_QOS=1, BROKER_LISTENER__TCP__DEFAULT=[::]:1883
#   command line   broker --set max_qos=1 --set log.level=debug
#
# TO LOOK
#   broker --check-config      all mistakes, and what is allowed and does
#                              nothing
#   broker config show         the values that are set, and where
#   broker config show --all   all values
#
# TO CHANGE WHILE RUNNING
#   systemctl reload broker, or kill -HUP, reads the configuration again. Keys
#   that say so change at once; nobody is disconnected. The others are named
#   in the log. With a mistake anywhere, nothing changes.
`.trimStart();

/** The text of `broker.conf`. */
export function renderConfig(fragments: readonly SchemaFragment[]): string {
	const chapters = fragments
		.map(renderChapter)
		.filter((chapter) => chapter !== "");
	const inactive = renderInactive(fragments);
	return [introduction, ...chapters, ...inactive].join("\n");
}

function renderChapter(fragment: SchemaFragment): string {
	const fields = fragment.fields.filter(
		(field) => (field.status ?? "active") === "active",
	);
	if (fields.length === 0) return "";
	const lines = [...heading(fragment.title)];
	if (fragment.intro !== undefined) {
		lines.push(...comment(fragment.intro));
	}
	return `${lines.join("\n")}\n\n${fields.map(renderField).join("\n")}`;
}

function renderField(field: FieldSpec): string {
	const lines = comment(field.doc);
	lines.push("#", ...comment(`Value: ${factsOf(field)}.`));
	lines.push(`#${field.example ?? `${field.key} = ${defaultText(field)}`}`);
	return `${lines.join("\n")}\n`;
}

/** Type, range, unit, and when a change takes effect. */
export function factsOf(field: FieldSpec): string {
	const parts = [describeRange(field)];
	if (field.type === "duration" || field.type === "seconds") {
		if (field.unit === "ms") parts.push("a bare number means milliseconds");
	} else if (field.unit !== undefined) {
		parts.push(`unit: ${field.unit}`);
	}
	if (!field.runtime) parts.push("a change needs a restart");
	else if (field.newConnectionsOnly) {
		parts.push("can change while running, for connections made afterwards");
	} else parts.push("can change while running");
	if (field.transports !== undefined) {
		parts.push("also for one transport and for one listener");
	}
	return parts.join("; ");
}

/** Known keys that do nothing, by the reason. */
function renderInactive(fragments: readonly SchemaFragment[]): string[] {
	const fields = fragments.flatMap((fragment) => fragment.fields);
	const chapter = (title: string, intro: string, status: string): string => {
		const reasons = new Map<string, string[]>();
		for (const field of fields) {
			if (field.status !== status) continue;
			const why = capital(field.why ?? "known for compatibility");
			reasons.set(why, [...(reasons.get(why) ?? []), field.key]);
		}
		const lines = [...heading(title), ...comment(intro)];
		for (const [why, keys] of reasons) {
			lines.push("#", ...comment(`${why}:`));
			lines.push(...comment(keys.join(", "), "#   "));
		}
		return `${lines.join("\n")}\n`;
	};
	return [
		chapter(
			"Keys for later",
			"These are known and do not act yet. They are accepted, and --check-config says so for each that is set.",
			"later",
		),
		chapter(
			"Keys without a meaning here",
			"A configuration of VerneMQ may have these keys. They are accepted and do nothing, because this is a broker of one node; --check-config says why.",
			"ignored",
		),
	];
}

function heading(title: string): string[] {
	const line = `# ${"-".repeat(WIDTH - 2)}`;
	return [line, `# ${title}`, line];
}

function defaultText(field: FieldSpec): string {
	return field.default === "" ? '""' : field.default;
}

function capital(text: string): string {
	return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Breaks a paragraph into comment lines. */
function comment(paragraph: string, prefix = "# "): string[] {
	const lines: string[] = [];
	let line = prefix.trimEnd();
	for (const word of paragraph.split(" ")) {
		const separator =
			line.length < prefix.length ? prefix.slice(line.length) : " ";
		if (
			line.length + separator.length + word.length > WIDTH &&
			line.length >= prefix.length
		) {
			lines.push(line);
			line = prefix + word;
		} else {
			line += separator + word;
		}
	}
	lines.push(line);
	return lines;
}

if (import.meta.main) {
	const file = process.argv[2];
	const text = renderConfig(coreFragments);
	if (file === undefined) process.stdout.write(text);
	else writeFileSync(file, text);
}
