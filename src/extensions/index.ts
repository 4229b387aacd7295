/** Every extension, one line each. Delete a folder and its lines, and the rest still compiles. */
import type { Extension } from "../broker/broker-api.ts";
import { sysTopics } from "./sys-topics/sys-topics.ts";

export const extensions: readonly (() => Extension)[] = [
	sysTopics,
];
