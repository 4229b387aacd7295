/**
 * Writes the table as the manual page broker.conf(5), in man(7) macros.
 *
 * `node src/config/render-man.ts FILE` (to standard output without a name).
 */
import { writeFileSync } from "node:fs";
import type { FieldSpec, SchemaFragment } from "../platform/config-field.ts";
import { factsOf } from "./render.ts";
import { roff } from "./roff.ts";
import { coreFragments } from "./schema.ts";

const introduction = String.raw`
.SH NAME
broker.conf \- the configuration of the MQTT broker
.SH SYNOPSIS
.I /etc/broker/broker.conf
.br
.I /etc/broker/conf.d/*.conf
.SH DESCRIPTION
.BR broker (1)
runs without any configuration. Each key has a default, which this page names; what is not in a file stays at it.
.SS Form
One
.I key = value
on a line. A line that begins with # is a comment; behind a value, a # that has a space before it begins one. A value with " #" in it, or with spaces at its ends, goes into "quotes" or \(aqquotes\(aq. If a key is there twice, the later line counts. A key that does not exist is a mistake, and the broker does not start.
.TP
.B on, off
also true, false, yes, no
.TP
.B times
20s, 500ms, 5min (or 5m), 1h, 30d, 1w, 1y; a bare number means seconds where nothing else is said
.TP
.B sizes
512B, 64KB, 10MB, 1GB; 1KB is 1024 bytes, a bare number means bytes
.SS Order
Later ones win: the defaults; this file; the files in
.B include_dir
in the order of their names; the environment
.RB ( BROKER_
and the key in capitals, with __ for each dot:
.IR BROKER_LISTENER__TCP__DEFAULT=[::]:1883 );
the command line
.RB ( "broker \-\-set max_qos=1" ).
.SS To look
.B broker \-\-check\-config
names every mistake with file and line.
.B broker config show
prints the values that are set, and where each comes from.
.SS To change while running
.B systemctl reload broker
reads the configuration again. Keys that say so change at once; nobody is disconnected. The others are named in the log. With a mistake anywhere, nothing changes.
`.trim();

const closing = `
.SH FILES
.TP
.I /etc/broker/broker.conf
every key with its default, as comments
.TP
.I /etc/broker/conf.d/*.conf
the place for changes
.SH SEE ALSO
.BR broker (1)
`.trim();

/** @param version for the page's footer */
export function renderManPage(
	fragments: readonly SchemaFragment[],
	version: string,
): string {
	const chapters = fragments.map(renderChapter).filter((text) => text !== "");
	return `${[
		`.TH BROKER.CONF 5 "" "broker ${roff(version)}" "File formats"`,
		introduction,
		...chapters,
		closing,
	].join("\n")}\n`;
}

function renderChapter(fragment: SchemaFragment): string {
	const fields = fragment.fields.filter(
		(field) => (field.status ?? "active") === "active",
	);
	if (fields.length === 0) return "";
	const lines = [`.SH ${roff(fragment.title.toUpperCase())}`];
	if (fragment.intro !== undefined) lines.push(roff(fragment.intro));
	return [...lines, ...fields.map(renderField)].join("\n");
}

function renderField(field: FieldSpec): string {
	const key = roff(field.key);
	const value = field.default === "" ? '""' : field.default;
	const head =
		field.example === undefined
			? `.B ${key} = ${roff(value)}`
			: `.B ${roff(field.example)}`;
	return [
		".TP",
		head,
		roff(field.doc),
		".br",
		`Value: ${roff(factsOf(field))}.`,
	].join("\n");
}

if (import.meta.main) {
	const [file, version = ""] = process.argv.slice(2);
	const text = renderManPage(coreFragments, version);
	if (file === undefined) process.stdout.write(text);
	else writeFileSync(file, text);
}
