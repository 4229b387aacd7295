/** `broker session list` and `session rm`. */
import type { SessionPage, SessionView } from "../broker/broker-api.ts";
import { type CommandSpec, jsonOption } from "../platform/command.ts";
import { inBytes, inTime, plural } from "../platform/words.ts";
import { inShell } from "./in-shell.ts";
import { printable } from "./printable.ts";

export const sessionCommands: readonly CommandSpec[] = [
	{
		name: "session list",
		summary: "sessions by queued bytes, the largest first",
		about: [
			"One page at a time, with what to call for the next one. Sessions of clients that are away have the time since when.",
		],
		options: {
			limit: {
				value: "N",
				summary: "at most so many sessions, 1 to 1000 (20)",
			},
			after: {
				value: "NEXT",
				summary: "go on behind the page before, which says what NEXT is",
			},
			json: jsonOption,
		},
		examples: ["session list", "session list --limit 5 --json"],
		async run({ broker, options, out, json }) {
			const query = new URLSearchParams();
			for (const name of ["limit", "after"]) {
				if (options[name] !== undefined) query.set(name, `${options[name]}`);
			}
			const path = `/sessions?${query}`;
			const page = (await broker.ask("GET", path)) as SessionPage;
			out.write(json ? `${JSON.stringify(page, null, "\t")}\n` : asTable(page));
			return 0;
		},
	},
	{
		name: "session rm",
		operands: "CLIENT_ID",
		summary: "end a session: its queue and subscriptions go",
		about: [
			"A client that is connected is told and disconnected. A client id that begins with - stands behind --.",
		],
		words: { least: 1, most: 1 },
		options: { json: jsonOption },
		examples: ["session rm kitchen-sensor", "session rm -- -odd-id"],
		async run({ broker, words, out, json }) {
			const [clientId = ""] = words;
			const path = `/sessions/${encodeURIComponent(clientId)}`;
			const answer = (await broker.ask("DELETE", path)) as {
				isDurable: boolean;
			};
			const wait = answer.isDurable
				? ""
				: "; the disk has not confirmed it yet, see broker status";
			out.write(
				json
					? `${JSON.stringify(answer)}\n`
					: `the session of ${printable(clientId)} is gone${wait}\n`,
			);
			return 0;
		},
	},
];

const HEADINGS = ["bytes", "messages", "subs", "state", "expiry", "client id"];

function asTable({ total, sessions, next }: SessionPage): string {
	const rows = [HEADINGS, ...sessions.map(rowOf)];
	const widths = HEADINGS.map((_, column) =>
		Math.max(...rows.map((row) => row[column]?.length ?? 0)),
	);
	const lines = rows.map((row) =>
		row
			.map((cell, column) =>
				column < 3
					? cell.padStart(widths[column] ?? 0)
					: cell.padEnd(widths[column] ?? 0),
			)
			.join("  ")
			.trimEnd(),
	);
	const shown = `${sessions.length} of ${plural(total, "session")}`;
	const more = next === null ? "" : `; go on with: --after ${inShell(next)}`;
	return `${lines.join("\n")}\n${shown}${more}\n`;
}

function rowOf(session: SessionView): string[] {
	const { isConnected, peer, disconnectedAt, expirySeconds } = session;
	return [
		inBytes(session.queuedBytes),
		`${session.queuedMessages}`,
		`${session.subscriptions}`,
		isConnected
			? `connected ${peer}`
			: `away since ${(disconnectedAt ?? "").slice(0, 19).replace("T", " ")} UTC`,
		describeExpiry(expirySeconds),
		printable(session.clientId),
	];
}

function describeExpiry(seconds: number | null): string {
	if (seconds === null) return "never";
	return seconds === 0 ? "with its connection" : inTime(seconds * 1000);
}
