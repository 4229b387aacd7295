/** What a check of `broker doctor` has found. */

export type Level = "ok" | "note" | "warning" | "problem";

export interface Finding {
	/** The same in every version, for programs: `port-in-use`. */
	readonly id: string;
	readonly level: Level;
	/** What is, in one sentence without a full stop. */
	readonly what: string;
	/** Why it matters, where that is not obvious; in the same form. */
	readonly why?: string;
	/** The command that mends it, or shows more; a leading `sudo` goes for root. */
	readonly fix?: string;
}

export function ok(id: string, what: string): Finding {
	return { id, level: "ok", what };
}

export function note(
	id: string,
	what: string,
	more: Pick<Finding, "why" | "fix"> = {},
): Finding {
	return { id, level: "note", what, ...more };
}

export function warning(
	id: string,
	what: string,
	more: Pick<Finding, "why" | "fix"> = {},
): Finding {
	return { id, level: "warning", what, ...more };
}

export function problem(
	id: string,
	what: string,
	more: Pick<Finding, "why" | "fix"> = {},
): Finding {
	return { id, level: "problem", what, ...more };
}
