/** How the broker does, in the one line that `systemctl status` has for it. Pure. */

export interface StatusFigures {
	readonly clients: number;
	/** PUBLISH packets received a second. */
	readonly messageRate: number;
	/** Waiting for clients, in memory and on disk. */
	readonly queuedBytes: number;
	/** Why the database cannot be written, in words; empty when it can. */
	readonly storeTrouble: string;
	/** `normal`, or what is done because memory is short. */
	readonly memoryStage: string;
}

/** What is wrong comes first: a terminal cuts the end off. */
export function statusLine(figures: StatusFigures): string {
	const { clients, messageRate, queuedBytes } = figures;
	const { storeTrouble, memoryStage } = figures;
	const parts = [
		storeTrouble === "" ? "" : firstPart(storeTrouble),
		memoryStage === "normal" ? "" : `memory is short (${memoryStage})`,
		`${clients} ${clients === 1 ? "client" : "clients"}`,
		`${inThousands(messageRate)} msg/s`,
		`${inMegabytes(queuedBytes)} queued`,
	];
	return parts.filter(Boolean).join(", ");
}

/** The log has the rest: where, and what to do. */
function firstPart(trouble: string): string {
	return trouble.split(/[:;] /, 2).join(": ");
}

/** Two digits that matter: a rate is never exact, and each change is a message to systemd. */
function inThousands(rate: number): string {
	if (rate < 0.5) return "0";
	const rounded = Number(rate.toPrecision(2));
	return rounded < 1000 ? String(rounded) : `${rounded / 1000}k`;
}

function inMegabytes(bytes: number): string {
	if (bytes === 0) return "nothing";
	const megabytes = bytes / (1024 * 1024);
	if (megabytes < 0.1) return "under 0.1 MB";
	return `${megabytes < 10 ? megabytes.toFixed(1) : Math.round(megabytes)} MB`;
}
