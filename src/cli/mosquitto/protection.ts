/**
 * Who could use a listener of mosquitto, and what may be opened for it here. The rule:
 * nothing is opened to anybody whom mosquitto kept out.
 */
import type { ConfBlocks, ListenerBlock } from "./conf-blocks.ts";
import type { ConfLine } from "./conf-file.ts";
import { truth } from "./option-values.ts";
import { optionSpec } from "./options.ts";

export type Opening =
	/** As it was. `anonymous` off: mosquitto let in nobody either. */
	| { readonly kind: "open"; readonly anonymous: boolean }
	/** For this machine only. */
	| { readonly kind: "loopback"; readonly because: readonly ConfLine[] }
	| { readonly kind: "closed"; readonly because: readonly ConfLine[] };

/** These keep nobody out when anonymous clients are let in as well. */
const aboutUsers = new Set(["password_file", "use_username_as_clientid"]);

export function openingOf(listener: ListenerBlock, conf: ConfBlocks): Opening {
	const lines = [
		...(conf.isPerListener
			? conf.broker.filter(({ option }) => option === "global_plugin")
			: conf.broker),
		...listener.lines,
	];
	const anonymous = letsInAnybody(lines, conf);
	const guards = lines.filter((line) => isGuard(line, anonymous));
	const closing = guards.filter((line) => kindOf(line) === "closed");
	if (closing.length > 0) return { kind: "closed", because: closing };
	if (guards.length > 0) return { kind: "loopback", because: guards };
	return { kind: "open", anonymous };
}

/** mosquitto 2's rule: only when told so, or when it listens for this machine only. */
function letsInAnybody(lines: readonly ConfLine[], conf: ConfBlocks): boolean {
	const asked = lines.findLast(({ option }) => option === "allow_anonymous");
	if (asked !== undefined) return truth(asked.value) === true;
	return conf.isLocalOnly;
}

function kindOf({ option }: ConfLine): "closed" | "access" | null {
	const spec = optionSpec(option);
	return spec?.fate === "guard" ? spec.kind : null;
}

function isGuard(line: ConfLine, anonymous: boolean): boolean {
	const { option, value } = line;
	if (kindOf(line) === null) return false;
	// Those that are switched off.
	if (truth(value) === false && !option.endsWith("file")) return false;
	return !(anonymous && aboutUsers.has(option));
}
