import type { Salvaged } from "./salvage.ts";

/** What was saved and what was lost, in words for the log. Pure. */

const names: Readonly<Record<string, [one: string, many: string]>> = {
	session: ["session", "sessions"],
	subscription: ["subscription", "subscriptions"],
	queue: ["queued message", "queued messages"],
	retained: ["retained message", "retained messages"],
	received_qos2: ["received packet id", "received packet ids"],
	extension_value: ["extension value", "extension values"],
};

export function describeSalvaged(salvaged: Salvaged): string {
	if (!salvaged.isOurs)
		return "nothing in it was written by this broker; it starts with empty state";
	const saved = Object.entries(names).map(([table, [one, many]]) =>
		counted(salvaged.rows.get(table) ?? 0, one, many),
	);
	return `saved: ${saved.join(", ")}; lost: ${describeLost(salvaged)}`;
}

function describeLost(salvaged: Salvaged): string {
	const { lostPages, lostRows, orphans, missingQueued, missingRetained } =
		salvaged;
	const pages = [...lostPages].map(
		([table, count]) =>
			`${counted(count, "page", "pages")} of ${names[table]?.[1] ?? table}`,
	);
	const lost = [
		missingQueued > 0 &&
			`about ${counted(missingQueued, "queued message", "queued messages")}`,
		missingRetained > 0 &&
			`about ${counted(missingRetained, "retained message", "retained messages")}`,
		...pages,
		lostRows > 0 && `${counted(lostRows, "row", "rows")} that made no sense`,
		orphans > 0 &&
			`${counted(orphans, "row", "rows")} of lost sessions and messages`,
	].filter((part) => part !== false);
	if (lost.length === 0) return "nothing that can be told";
	const advice = lostPages.has("subscription")
		? " (clients that miss messages have to subscribe again)"
		: "";
	return `${lost.join(", ")}${advice}`;
}

function counted(count: number, one: string, many: string): string {
	return `${count} ${count === 1 ? one : many}`;
}
