/** How much the broker writes, in one sentence. Pure. */
import { type PageCounts, pageCauses } from "../store/page-counts.ts";
import type { WearStatus, WrittenIn } from "./wear.ts";

const HOUR_MS = 3_600_000;
const UNITS = ["B", "KB", "MB", "GB", "TB"] as const;

/** @example 8.4 MB written in the last 24 h, about 3 GB a year: retained 80 %, queues 15 %, sessions 5 % */
export function describeWear(
	wear: Pick<WearStatus, "lastDay" | "pages">,
): string {
	const shares = describeShares(wear.pages);
	return `${describePace(wear.lastDay)}${shares === "" ? "" : `: ${shares}`}`;
}

function describePace(written: WrittenIn | null): string {
	if (written === null) return "the system does not tell how much is written";
	const { bytes, spanMs, bytesPerYear } = written;
	const pace =
		bytesPerYear === null ? "" : `, about ${inBytes(bytesPerYear)} a year`;
	return `${inBytes(bytes)} written in the last ${inTime(spanMs)}${pace}`;
}

/** What is copied from the log into the database was written for one of the others. */
function describeShares(pages: Readonly<PageCounts>): string {
	const causes = pageCauses.filter((cause) => cause !== "checkpoints");
	const sum = causes.reduce((total, cause) => total + pages[cause], 0);
	return causes
		.filter((cause) => pages[cause] > 0)
		.sort((a, b) => pages[b] - pages[a])
		.map((cause) => `${cause} ${Math.round((pages[cause] / sum) * 100)} %`)
		.join(", ");
}

/** @example 8.4 MB */
export function inBytes(bytes: number): string {
	let value = bytes;
	let unit = 0;
	while (value >= 1000 && unit < UNITS.length - 1) {
		value /= 1000;
		unit++;
	}
	const digits = value < 10 && unit > 0 ? 1 : 0;
	return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

function inTime(ms: number): string {
	return ms < HOUR_MS
		? `${Math.max(1, Math.round(ms / 60_000))} min`
		: `${Math.round(ms / HOUR_MS)} h`;
}
