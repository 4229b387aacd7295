/** By which name the one file was called. */
import { basename } from "node:path";
import type { ProgramName } from "./program.ts";

/**
 * A script has its own path, links included, behind that of the runtime. A binary finds
 * itself there; what it was called by is in `argv0`, and a copy has its name in `execPath`.
 */
export function programName({
	argv,
	argv0,
	execPath,
}: Pick<NodeJS.Process, "argv" | "argv0" | "execPath">): ProgramName {
	const names = [argv[1] ?? "", argv0, execPath].map(nameOf);
	return names.includes("brokerctl") ? "brokerctl" : "broker";
}

/** `brokerctl` of `/usr/bin/brokerctl`, `-brokerctl` and `brokerctl-linux-x64`. */
function nameOf(path: string): string {
	return /^-?([a-z]*)/.exec(basename(path))?.[1] ?? "";
}
