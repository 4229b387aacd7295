/** What the core's commands get beside what all commands get. Types only. */
import type { LoadedConfig, LoadOptions } from "../config/config.ts";
import type { CommandCall } from "../platform/command.ts";
import type { AdminClient } from "./admin-client.ts";

export interface CliCall extends CommandCall {
	readonly broker: AdminClient;
	/** How the configuration is read. */
	readonly loadOptions: LoadOptions;
	/** @throws ConfigError */
	config(): LoadedConfig;
	/** Asks the person at the terminal; null when there is none. */
	askPerson(question: string): Promise<string | null>;
}
