/**
 * Calls into the C library, for the few things that the runtime has no words for. The
 * module behind it is experimental: whoever uses it needs another way, or does without.
 */
export type Ffi = typeof import("node:ffi");

let loaded: Ffi | null | undefined;

/** @returns null in a runtime that does not have it */
export function loadFfi(): Ffi | null {
	if (loaded === undefined) loaded = withoutWarning(load);
	return loaded;
}

function load(): Ffi | null {
	return process.getBuiltinModule("node:ffi") ?? null;
}

/** The runtime warns that the module is experimental: nothing an operator could act on. */
function withoutWarning<T>(work: () => T): T {
	const { emitWarning } = process;
	process.emitWarning = () => {};
	try {
		return work();
	} finally {
		process.emitWarning = emitWarning;
	}
}
