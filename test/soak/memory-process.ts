/** Commands between the memory test and its two processes: a name there, words back. */
import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { endWithProcess } from "../support/spawn-broker.ts";
import type { MemoryOrder } from "./memory-order.ts";

interface Answer {
	readonly words: string;
	readonly failed: boolean;
}

/** In the process: does what is asked, one command after the other. */
export function answerCommands(
	commands: Record<string, () => Promise<string>>,
): void {
	process.on("message", async (name: string) => {
		let answer: Answer;
		try {
			const command = commands[name];
			if (command === undefined) throw new Error(`no command ${name}`);
			answer = { words: await command(), failed: false };
		} catch (error) {
			answer = { words: (error as Error).message, failed: true };
		}
		process.send?.(answer);
	});
	process.on("disconnect", () => process.exit());
}

/** Outside: the process that runs `file`, a neighbour of this one. */
export class TestProcess {
	readonly #child: ChildProcess;
	readonly #name: string;

	constructor(file: string, order: MemoryOrder) {
		this.#name = file;
		this.#child = fork(join(import.meta.dirname, file), [
			JSON.stringify(order),
		]);
		endWithProcess(this.#child);
	}

	/** @throws Error with the words of the process when it fails or ends */
	ask(command: string): Promise<string> {
		const child = this.#child;
		return new Promise((done, fail) => {
			const settle = (error: Error | null, words = "") => {
				child.off("message", onMessage);
				child.off("exit", onExit);
				if (error === null) done(words);
				else fail(error);
			};
			const onMessage = ({ words, failed }: Answer) =>
				settle(
					failed ? new Error(`${this.#name} ${command}: ${words}`) : null,
					words,
				);
			const onExit = () =>
				settle(new Error(`${this.#name} ended during ${command}`));
			child.once("message", onMessage);
			child.once("exit", onExit);
			child.send(command);
		});
	}

	end(): void {
		this.#child.kill("SIGKILL");
	}
}
