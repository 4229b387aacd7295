/**
 * Runs one real client program (or a small driver around a real client
 * library) as a child process, and waits for what it prints: tests never sleep.
 * Owner of the child: it is ended by its own pid when the test ends at the latest.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { endWithProcess, type TearDown } from "../support/spawn-broker.ts";

/** How long a step may take on a busy small machine, in milliseconds. */
export const stepTimeoutMs = 30_000;

/** The full path of a program; throws with the command that installs it. */
export function requireProgram(name: string, debianPackage: string): string {
	const folders = (process.env.PATH ?? "").split(delimiter);
	for (const folder of ["/usr/bin", "/usr/sbin", ...folders]) {
		const path = join(folder, name);
		try {
			accessSync(path, constants.X_OK);
			return path;
		} catch {
			// Not in this folder: the next one may have it.
		}
	}
	throw new Error(`${name} is missing: apt-get install ${debianPackage}`);
}

export class Program {
	readonly name: string;
	readonly #child: ChildProcess;
	readonly #lines: string[] = [];
	readonly #partial: { stdout: string[]; stderr: string[] } = {
		stdout: [],
		stderr: [],
	};
	readonly #listeners = new Set<() => void>();
	#ended = false;

	constructor(t: TearDown, path: string, args: string[]) {
		this.name = path.slice(path.lastIndexOf("/") + 1);
		this.#child = spawn(path, args, { stdio: "pipe" });
		endWithProcess(this.#child);
		for (const stream of ["stdout", "stderr"] as const) {
			this.#child[stream]
				?.setEncoding("utf8")
				.on("data", (text: string) => this.#take(stream, text));
		}
		this.#child.on("error", (error) => {
			this.#lines.push(String(error));
			this.#finish();
		});
		this.#child.on("close", () => this.#finish());
		this.#child.stdin?.on("error", () => {
			// The program ended before it read everything: its exit tells.
		});
		t.teardown(() => this.kill());
	}

	/** Complete lines so far, of stdout and stderr together. */
	get lines(): readonly string[] {
		return this.#lines;
	}

	write(text: string): void {
		this.#child.stdin?.write(text);
	}

	/** Ends the input of the program after this text. */
	end(text = ""): void {
		this.#child.stdin?.end(text);
	}

	/** Waits until `find` returns something, looked at again after every new line. */
	async until<T>(what: string, find: () => T | undefined): Promise<T> {
		return new Promise<T>((done, fail) => {
			const settle = (act: () => void) => {
				clearTimeout(timer);
				this.#listeners.delete(look);
				act();
			};
			const giveUp = (why: string) =>
				settle(() => fail(new Error(this.#describe(`${why} ${what}`))));
			const look = () => {
				const found = find();
				if (found !== undefined) settle(() => done(found));
				else if (this.#ended) giveUp("it ended before");
			};
			const timer = setTimeout(() => giveUp("no sign of"), stepTimeoutMs);
			this.#listeners.add(look);
			look();
		});
	}

	/** Waits for a line that matches. */
	untilLine(pattern: RegExp): Promise<string> {
		return this.until(`a line like ${pattern}`, () =>
			this.#lines.find((line) => pattern.test(line)),
		);
	}

	/** Waits for the end and returns the exit code; a signal gives -1. */
	async exit(): Promise<number> {
		await this.until("its end", () => this.#ended || undefined);
		return this.#child.exitCode ?? -1;
	}

	/** Waits for the end, which has to be a good one. */
	async success(): Promise<void> {
		const code = await this.exit();
		if (code !== 0) throw new Error(this.#describe(`exit code ${code}`));
	}

	/** SIGTERM asks for a clean end; SIGKILL is a crash. */
	async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
		if (this.#ended) return;
		this.#child.kill(signal);
		await this.exit();
	}

	#take(stream: "stdout" | "stderr", text: string): void {
		// Pieces are joined once per line: a line may be ten megabytes long.
		const pieces = text.split("\n");
		const last = pieces.pop() ?? "";
		for (const piece of pieces) {
			this.#lines.push(this.#partial[stream].join("") + piece);
			this.#partial[stream] = [];
		}
		if (last !== "") this.#partial[stream].push(last);
		if (pieces.length > 0) this.#tell();
	}

	#finish(): void {
		for (const stream of ["stdout", "stderr"] as const) {
			if (this.#partial[stream].length > 0) this.#take(stream, "\n");
		}
		this.#ended = true;
		this.#tell();
	}

	#tell(): void {
		for (const listener of [...this.#listeners]) listener();
	}

	#describe(what: string): string {
		const tail = this.#lines.slice(-20).map((line) => line.slice(0, 300));
		return `${this.name}: ${what}; it printed:\n${tail.join("\n")}`;
	}
}
