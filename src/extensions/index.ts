/** Every extension, one line each. Delete a folder and its lines, and the rest still compiles. */
import type { Extension } from "../broker/broker-api.ts";
import type { CommandSpec } from "../platform/command.ts";
import type { SchemaFragment } from "../platform/config-field.ts";
import { adminSocket } from "./admin-socket/admin-socket.ts";
import { sysTopics } from "./sys-topics/sys-topics.ts";

export const extensions: readonly (() => Extension)[] = [
	adminSocket,
	sysTopics,
];

/** The keys that extensions add to the configuration. */
export const extensionFragments: readonly SchemaFragment[] = extensions
	.map((make) => make().fragment)
	.filter((fragment) => fragment !== undefined);

/** The commands that extensions add to the program. */
export const extensionCommands: readonly CommandSpec[] = extensions.flatMap(
	(make) => make().commands ?? [],
);
