/** The core's commands that do something and end; extensions bring their own. */
import type { CommandSpec } from "../platform/command.ts";
import { sessionCommands } from "./session-commands.ts";
import { statusCommands } from "./status-commands.ts";

export const coreCommands: readonly CommandSpec[] = [
	...statusCommands,
	...sessionCommands,
];
