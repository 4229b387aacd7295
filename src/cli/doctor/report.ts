/** What `broker doctor` prints. Pure. */
import { plural } from "../../platform/words.ts";
import { wrapped } from "../columns.ts";
import { printable } from "../printable.ts";
import type { Finding, Level } from "./finding.ts";

const WIDTH = 80;
const COLUMN = 9;

const headings: Readonly<Record<Level, string>> = {
	problem: "PROBLEM",
	warning: "WARNING",
	note: "note",
	ok: "ok",
};
const levels = Object.keys(headings) as readonly Level[];

/** 0 when all is well, 1 for warnings, 2 for problems. */
export function exitCodeOf(findings: readonly Finding[]): number {
	if (findings.some(({ level }) => level === "problem")) return 2;
	return findings.some(({ level }) => level === "warning") ? 1 : 0;
}

/** The gravest first; what is said twice is said once. */
export function inOrder(findings: readonly Finding[]): Finding[] {
	const seen = new Set<string>();
	return levels
		.flatMap((level) => findings.filter((each) => each.level === level))
		.filter(({ id, what }) => {
			const key = `${id} ${what}`;
			return !seen.has(key) && seen.add(key);
		});
}

/** @param isRoot fixes need no sudo then */
export function asText(findings: readonly Finding[], isRoot: boolean): string {
	const count = (level: Level) =>
		findings.filter((each) => each.level === level).length;
	const counts = [
		count("problem") > 0 ? plural(count("problem"), "problem") : "",
		count("warning") > 0 ? plural(count("warning"), "warning") : "",
	].filter(Boolean);
	const blocks = findings.map((each) => block(each, isRoot));
	const summary =
		counts.length === 0 ? "nothing needs mending" : counts.join(" and ");
	return `${blocks.join("")}${summary}\n`;
}

export function asJson(findings: readonly Finding[], isRoot: boolean): string {
	const shown = findings.map(({ fix, ...rest }) => ({
		...rest,
		...(fix === undefined ? {} : { fix: fixFor(fix, isRoot) }),
	}));
	const exitCode = exitCodeOf(findings);
	return `${JSON.stringify({ exitCode, findings: shown }, null, "\t")}\n`;
}

/** A command is never broken: it is there to be copied. */
function block({ level, what, why, fix }: Finding, isRoot: boolean): string {
	const head = paragraph(headings[level].padEnd(COLUMN), `${what}`);
	const reason = why === undefined ? "" : paragraph(" ".repeat(COLUMN), why);
	const command =
		fix === undefined
			? ""
			: `${" ".repeat(COLUMN)}-> ${printable(fixFor(fix, isRoot))}\n`;
	const gap = level === "ok" ? "" : "\n";
	return `${head}${reason}${command}${gap}`;
}

function paragraph(first: string, text: string): string {
	const lines = wrapped(printable(text), { width: WIDTH - COLUMN });
	return lines
		.trimEnd()
		.split("\n")
		.map((line, at) => `${at === 0 ? first : " ".repeat(COLUMN)}${line}\n`)
		.join("");
}

function fixFor(fix: string, isRoot: boolean): string {
	return isRoot ? fix.replaceAll(/\bsudo /g, "") : fix;
}
