/** docs/install.md for tests: its text, and what it has people type and write. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";

export const projectRoot = resolve(import.meta.dirname, "../..");
export const pageText = readFileSync(
	join(projectRoot, "docs/install.md"),
	"utf8",
);

/** What is to be written into a file, whose path its first line names. */
export interface PageFile {
	readonly path: string;
	readonly lines: readonly string[];
}

/** Indented blocks, without those that are only continued after an empty line. */
export function blocksOf(text: string): string[][] {
	return text
		.split(/\n(?! {4})/)
		.map((part) =>
			part
				.split("\n")
				.filter((line) => line.startsWith("    "))
				.map((line) => line.slice(4)),
		)
		.filter((lines) => lines.length > 0);
}

/** The part of the page below a heading, up to the next one of its level. */
export function section(title: string): string {
	const level = new RegExp(`^(#+) ${title}$`, "m").exec(pageText);
	if (level === null) throw new Error(`no section ${title}`);
	const rest = pageText.slice(level.index + level[0].length);
	const end = rest.search(new RegExp(`^#{1,${level[1]?.length}} `, "m"));
	return end < 0 ? rest : rest.slice(0, end);
}

export function filesIn(text: string): PageFile[] {
	return blocksOf(text).flatMap(([first = "", ...lines]) => {
		const path = /^# (\/\S+)$/.exec(first)?.[1];
		return path === undefined ? [] : [{ path, lines }];
	});
}

/**
 * What root types: without sudo, and without what asks a person or needs another terminal.
 * A command that goes on in the next line is one.
 */
export function commandsIn(text: string): string[] {
	return blocksOf(text)
		.filter(([first = ""]) => !/^# \//.test(first))
		.flatMap((lines) => lines.join("\n").replaceAll("|\n", "| ").split("\n"))
		.map((line) => line.replace(/\s+#.*$/, "").replaceAll(/\bsudo /g, ""))
		.filter((line) => line !== "" && !/^(sudoedit|mosquitto_)/.test(line));
}
