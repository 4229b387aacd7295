/** The core's commands that do something and end; extensions bring their own. */
import type { CommandSpec } from "../platform/command.ts";
import { benchCommands } from "./bench-commands.ts";
import type { CliCall } from "./cli-call.ts";
import { configCommands } from "./config-commands.ts";
import { doctorCommand } from "./doctor-command.ts";
import { importCommands } from "./mosquitto/import-command.ts";
import { sessionCommands } from "./session-commands.ts";
import { stateCommands } from "./state-commands.ts";
import { statusCommands } from "./status-commands.ts";

export const coreCommands: readonly CommandSpec<CliCall>[] = [
	...configCommands,
	...statusCommands,
	doctorCommand,
	...sessionCommands,
	...stateCommands,
	...importCommands,
	...benchCommands,
];
