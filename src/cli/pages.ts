/** The files of packaging/ that are made of the tables of commands and keys. Not in the program. */
import { renderManPage } from "../config/render-man.ts";
import { coreFragments } from "../config/schema.ts";
import type { CommandDescription } from "../platform/command.ts";
import type { SchemaFragment } from "../platform/config-field.ts";
import { renderCompletion } from "./render-completion.ts";
import { renderCommandsPage } from "./render-man.ts";

/** @returns their texts by path, relative to the project's folder */
export function renderPages(
	specs: readonly CommandDescription[],
	fragments: readonly SchemaFragment[],
): Map<string, string> {
	const all = [...coreFragments, ...fragments];
	return new Map([
		["packaging/man/broker.1", renderCommandsPage("broker", specs)],
		["packaging/man/brokerctl.1", renderCommandsPage("brokerctl", specs)],
		["packaging/man/broker.conf.5", renderManPage(all, "")],
		["packaging/completion/broker", renderCompletion(specs, keysOf(all))],
	]);
}

/** Those that act, as far as they are the same everywhere: `listener.tcp.`. */
function keysOf(fragments: readonly SchemaFragment[]): string[] {
	const keys = fragments
		.flatMap(({ fields }) => fields)
		.filter(({ status }) => (status ?? "active") === "active")
		.map(({ key }) => key.split("<")[0] ?? "");
	return [...new Set(keys)].sort();
}
