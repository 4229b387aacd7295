/** Every extension, one line each. Delete a folder and its lines, and the rest still compiles. */
import type { Extension } from "../broker/broker-api.ts";
import type { SchemaFragment } from "../platform/config-field.ts";
import { sysTopics } from "./sys-topics/sys-topics.ts";

export const extensions: readonly (() => Extension)[] = [sysTopics];

/** The keys that extensions add to the configuration. */
export const extensionFragments: readonly SchemaFragment[] = extensions
	.map((make) => make().fragment)
	.filter((fragment) => fragment !== undefined);
