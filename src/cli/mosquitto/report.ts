/** What `broker import mosquitto` tells the person who called it. */
import { inBytes, plural } from "../../platform/words.ts";
import { type Finding, type Status, statuses } from "./conversion.ts";
import type { DatabaseFile } from "./database-file.ts";
import type { StatePlan } from "./state-plan.ts";
import type { WrittenState } from "./write-state.ts";

const titles: Readonly<Record<Status, string>> = {
	mapped: "Mapped",
	"mapped with a difference": "Mapped, with a difference",
	protected: "WARNING: protected in mosquitto, and not open here as it was",
	later: "Not mapped: does not exist here yet (kept as comments)",
	"not mapped": "Not mapped",
	"not needed": "Not needed here",
	unknown: "Unknown (kept as comments)",
};

export function describeFindings(findings: readonly Finding[]): string {
	let text = "";
	for (const status of statuses) {
		const some = findings.filter((one) => one.status === status);
		if (some.length === 0) continue;
		text += `\n${titles[status]}\n`;
		for (const { where, text: line, words } of some)
			text += `  ${where === "" ? line : `${where}: ${line}`}\n      ${words}\n`;
	}
	return text;
}

/** @param path of mosquitto's database */
export function describePlan(
	path: string,
	file: DatabaseFile,
	plan: StatePlan,
	savedAtMs: number,
): string {
	const { queued, sent, retained, subscriptions, incoming } = plan;
	const saved = new Date(savedAtMs).toISOString().replace(/\..*/, "Z");
	const lines = [
		`${plural(plan.byKey.length, "session")}, ${plural(subscriptions, "subscription")}`,
		`${plural(retained, "retained message")}`,
		`${plural(queued, "queued message")}, ${sent} of them sent and not acknowledged`,
	];
	if (incoming.length > 0)
		lines.push(
			`${plural(incoming.length, "message")} of QoS 2 that came in and had not been passed on: passed on now, once`,
		);
	lines.push(...leftOutWords(plan), ...damageWords(file));
	return `\nState in ${path} (format ${file.version}, saved at ${saved})\n${lines.map((line) => `  ${line}\n`).join("")}`;
}

function leftOutWords({ leftOut }: StatePlan): string[] {
	const words: string[] = [];
	const say = (count: number, what: string, why: string) => {
		if (count > 0) words.push(`left out: ${plural(count, what)}${why}`);
	};
	say(leftOut.expiredSessions, "session", " whose time is over");
	say(
		leftOut.bridgeSessions,
		"session",
		" of mosquitto's own bridges, which nobody would collect",
	);
	say(leftOut.messagesOfThose, "message", " of those");
	say(
		leftOut.missingMessages,
		"message",
		" that the file refers to and does not hold: expired, or lost",
	);
	return words;
}

function damageWords({ damages }: DatabaseFile): string[] {
	return damages.map(
		({ at, bytes }) =>
			`LOST: ${inBytes(bytes)} from byte ${at} on make no sense; the file is damaged or cut off there`,
	);
}

export function describeWritten(written: WrittenState): string {
	const { unusable, expiredMessages, badProperties, passedOn } = written;
	const lines = [
		`${plural(written.sessions, "session")}, ${plural(written.subscriptions, "subscription")}, ${plural(written.retained, "retained message")}, ${plural(written.queued, "queued message")}`,
	];
	if (passedOn > 0)
		lines.push(`${plural(passedOn, "message")} passed on to those subscribed`);
	if (expiredMessages > 0)
		lines.push(
			`left out: ${plural(expiredMessages, "message")} that had expired`,
		);
	if (unusable > 0)
		lines.push(
			`LOST: ${plural(unusable, "message")} or subscriptions that no client can have sent`,
		);
	if (badProperties > 0)
		lines.push(
			`LOST: the MQTT 5 properties of ${plural(badProperties, "message")}`,
		);
	return lines.map((line) => `  ${line}\n`).join("");
}
