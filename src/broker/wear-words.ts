/** How much the broker writes, in one sentence. Pure. */
import { inBytes, inTime } from "../platform/words.ts";
import { type PageCounts, pageCauses } from "../store/page-counts.ts";
import type { WearStatus, WrittenIn } from "./wear.ts";

const MINUTE_MS = 60_000;

/** @example 8.4 MB written in the last 1 d, about 3 GB a year: retained 80 %, queues 15 %, sessions 5 % */
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
	const minutes = Math.max(1, Math.round(spanMs / MINUTE_MS));
	const time = inTime(minutes * MINUTE_MS);
	return `${inBytes(bytes)} written in the last ${time}${pace}`;
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
