/** The configuration file of a broker under test: changed, and read again by SIGHUP. */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { SpawnedBroker } from "../support/spawn-broker.ts";
import { linesWith, until } from "./waiting.ts";

/** Sets keys in the file; null takes a key out. */
export function changeConfig(
	broker: SpawnedBroker,
	changes: Readonly<Record<string, string | null>>,
): void {
	const file = join(dirname(broker.dataDir), "broker.conf");
	const kept = readFileSync(file, "utf8")
		.split("\n")
		.filter((line) => {
			const key = line.split("=")[0]?.trim() ?? "";
			return key !== "" && !(key in changes);
		});
	const added = Object.entries(changes)
		.filter(([, value]) => value !== null)
		.map(([key, value]) => `${key} = ${value}`);
	writeFileSync(file, `${[...kept, ...added].join("\n")}\n`);
}

/** Has the broker read its configuration again; returns the line that says what became of it. */
export async function reload(broker: SpawnedBroker): Promise<string> {
	const outcome = () =>
		broker
			.stderr()
			.split("\n")
			.filter((line) => /configuration (not )?read again/.test(line));
	const before = outcome().length;
	process.kill(broker.pid, "SIGHUP");
	await until(() => outcome().length > before, "the reload is done");
	return outcome().at(-1) ?? "";
}

/** The port of a listener, as the broker said last; waits until it has said so. */
export async function portOf(
	broker: SpawnedBroker,
	listener: string,
): Promise<number> {
	const port = () => {
		const line = linesWith(broker.stderr(), `(${listener})`).at(-1) ?? "";
		return Number(/listening on \S+:(\d+)/.exec(line)?.[1] ?? 0);
	};
	await until(() => port() > 0, `${listener} is listening`);
	return port();
}
