/** Whether a broker runs, for commands that change files under it. */
import { CommandFailure } from "../platform/command.ts";
import type { CliCall } from "./cli-call.ts";

const EX_UNAVAILABLE = 69;

export interface RunningBroker {
	readonly pid: number;
	readonly dataDir: string;
}

/** @returns null when none runs, as far as the admin socket tells */
export async function findRunning(
	call: CliCall,
): Promise<RunningBroker | null> {
	try {
		return (await call.broker.ask("GET", "/ping")) as RunningBroker;
	} catch (error) {
		const isAbsent =
			error instanceof CommandFailure && error.exitCode === EX_UNAVAILABLE;
		if (!isAbsent) throw error;
		return null;
	}
}
