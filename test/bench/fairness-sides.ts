/** The processes of the fairness benchmark, as whoever starts them sees them. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { endWithProcess } from "../support/spawn-broker.ts";
import type { Disturbed, FairnessOrder, Latency } from "./fairness-load.ts";
import { loadPrefix } from "./pinning.ts";

/** A process that disturbs. */
export class Other {
	readonly #child: ChildProcess;
	readonly #lines: AsyncIterator<string>;

	constructor(order: FairnessOrder) {
		this.#child = start(order, order.side !== "sink");
		const input = this.#child.stdout ?? process.stdin;
		this.#lines = createInterface({ input })[Symbol.asyncIterator]();
	}

	/** The next one that it says. */
	async line(): Promise<string> {
		const { value, done } = await this.#lines.next();
		if (done === true) throw new Error("a side of the disturbance has ended");
		return value;
	}

	begin(): void {
		this.#child.stdin?.write("go\n");
	}

	async end(): Promise<Disturbed> {
		this.#child.stdin?.end();
		return JSON.parse(await this.line()) as Disturbed;
	}
}

export async function measureQuiet(
	port: number,
	seconds: number,
): Promise<Latency[]> {
	const child = start({ side: "quiet", port, seconds }, false);
	const lines = createInterface({ input: child.stdout ?? process.stdin });
	const [line] = (await once(lines, "line")) as [string];
	return JSON.parse(line) as Latency[];
}

/** @param isPatient leaves the processor to the quiet side whenever that wants it */
function start(order: FairnessOrder, isPatient: boolean): ChildProcess {
	const [program = "", ...args] = [
		...loadPrefix,
		...(isPatient ? ["nice", "-n", "19"] : []),
		process.execPath,
		join(import.meta.dirname, "fairness-load.ts"),
		JSON.stringify(order),
	];
	const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
	endWithProcess(child);
	return child;
}
