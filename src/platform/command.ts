/**
 * A command of the program that does something and ends: `broker session list`. The
 * core's commands and those of extensions have this form. Types, and one error.
 */

/** Where a command writes: a stream such as process.stdout. */
export interface CommandOutput {
	write(text: string): unknown;
}

/** The running broker as a command sees it: its admin socket. */
export interface AdminConnection {
	/**
	 * Asks for a route of the admin socket and gives its JSON answer.
	 * @param path with its query, `/sessions?limit=20`
	 * @throws CommandFailure when no broker answers, or in the words that it refuses with
	 */
	ask(method: string, path: string, body?: unknown): Promise<unknown>;
}

export interface CommandCall {
	/** What follows the command's name. */
	readonly words: readonly string[];
	/** The command's own options; absent ones are undefined. */
	readonly options: Readonly<Record<string, string | boolean | undefined>>;
	readonly json: boolean;
	readonly out: CommandOutput;
	readonly broker: AdminConnection;
}

export interface CommandSpec<Call extends CommandCall = CommandCall> {
	/** The words that call it: `session list`. */
	readonly name: string;
	/** What may follow: `[--limit N] [--json]`. */
	readonly synopsis: string;
	/** One line for `broker --help`. */
	readonly summary: string;
	/** Its own options, `--limit`; `-c`, `--set`, `--socket` and `--json` all commands have. */
	readonly options?: Readonly<Record<string, "flag" | "text">>;
	/** How many words may follow its name; 0 when absent. */
	readonly words?: { readonly least: number; readonly most: number };
	/** @returns the exit code. @throws CommandFailure */
	run(call: Call): Promise<number>;
}

/** A command cannot do what it should; the message says why and what to do. */
export class CommandFailure extends Error {
	override readonly name = "CommandFailure";
	/** See sysexits(3). */
	readonly exitCode: number;
	/** More that the broker said. */
	readonly details: Readonly<Record<string, unknown>>;

	constructor(
		words: string,
		exitCode = 1,
		details: Readonly<Record<string, unknown>> = {},
	) {
		super(words);
		this.exitCode = exitCode;
		this.details = details;
	}
}
