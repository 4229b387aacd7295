/** Commands of the program, run against a broker of a test. */
import { dirname, join } from "node:path";
import type { SpawnedBroker, TearDown } from "../support/spawn-broker.ts";
import { type Ended, type RunOptions, runBroker } from "./run-broker.ts";

/** `broker -c FILE ...` with the file that the broker was started with. */
export function command(
	t: TearDown,
	broker: Pick<SpawnedBroker, "dataDir">,
	args: readonly string[],
	options: RunOptions = {},
): Promise<Ended> {
	const file = join(dirname(broker.dataDir), "broker.conf");
	return runBroker(t, ["-c", file, ...args], options);
}
