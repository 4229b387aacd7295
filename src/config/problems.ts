/**
 * Mistakes and notices: what they hold and how they read. Pure.
 */

/** A mistake, complete enough to be mended without looking anything up. */
export interface ConfigProblem {
	readonly where: string;
	readonly key: string;
	/** As it was written; `***` for a secret. */
	readonly value: string;
	/** What is wrong and what is allowed. */
	readonly message: string;
	/** A key that may have been meant. */
	readonly nearest?: string;
}

/** Something that is allowed and that the operator should know. */
export interface ConfigNotice {
	readonly where: string;
	readonly key: string;
	readonly message: string;
}

/** The configuration has mistakes; `problems` are all of them. */
export class ConfigError extends Error {
	override readonly name = "ConfigError";
	readonly problems: readonly ConfigProblem[];

	constructor(problems: readonly ConfigProblem[]) {
		super(problems.map(formatProblem).join("\n"));
		this.problems = problems;
	}
}

/** One line: `broker.conf:12: max_qos = 7: must be a whole number from 0 to 2`. */
export function formatProblem(problem: ConfigProblem): string {
	const hint =
		problem.nearest === undefined ? "" : `; did you mean ${problem.nearest}?`;
	return `${subject(problem)}: ${problem.message}${hint}`;
}

/** One line, like {@link formatProblem}. */
export function formatNotice(notice: ConfigNotice): string {
	return `${subject({ ...notice, value: "" })}: ${notice.message}`;
}

function subject(about: { where: string; key: string; value: string }): string {
	const setting =
		about.value === "" ? about.key : `${about.key} = ${about.value}`;
	return [about.where, setting].filter((part) => part !== "").join(": ");
}
