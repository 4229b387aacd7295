/**
 * A command of the program that does something and ends: `broker session list`. The
 * core's commands and those of extensions have this form.
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
	/** The command's own options: true for a flag; absent ones are undefined. */
	readonly options: Readonly<Record<string, string | boolean | undefined>>;
	readonly json: boolean;
	readonly out: CommandOutput;
	readonly broker: AdminConnection;
}

/** An option of a command. */
export interface CommandOption {
	/** What has to follow it: `FILE`; a flag has none. */
	readonly value?: string;
	/** `c` for `-c`. */
	readonly short?: string;
	/** A phrase for its help. */
	readonly summary: string;
}

/** What help, manual pages and completion know of a command; they are made of nothing else. */
export interface CommandDescription {
	/** The words that call it: `session list`. */
	readonly name: string;
	/** The words that follow its name: `CLIENT_ID`, `[KEY...]`. FILE is completed with files, KEY with keys. */
	readonly operands?: string;
	/** A phrase for the list of commands. */
	readonly summary: string;
	/** Whole sentences, a paragraph each: what it does, what it leaves alone, what its exit code says. */
	readonly about?: readonly string[];
	/** By their long names; `--config`, `--set`, `--socket` and `--help` all commands have. */
	readonly options?: Readonly<Record<string, CommandOption>>;
	/** Lines of a shell, without the program's name: `session list --limit 5`. */
	readonly examples: readonly string[];
}

export interface CommandSpec<Call extends CommandCall = CommandCall>
	extends CommandDescription {
	/** How many words may follow its name; 0 when absent. */
	readonly words?: { readonly least: number; readonly most: number };
	/** @returns the exit code. @throws CommandFailure */
	run(call: Call): Promise<number>;
}

/** Its output is for programs; {@link CommandCall.json} says whether it was asked for. */
export const jsonOption: CommandOption = {
	summary: "print it as JSON, for programs",
};

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
