/**
 * V8's ceiling of this thread's heap, changed while the program runs. V8 has the function,
 * for embedders, and the runtime offers it to addons: it is called as one would.
 */
import { getHeapStatistics } from "node:v8";
import { loadFfi } from "./ffi.ts";

const MEGABYTE = 1024 * 1024;
/** The statistics count the nursery too, and V8 rounds. */
const ROUNDING_BYTES = 32 * MEGABYTE;
/** mallopt(3): how many heaps there may be. */
const M_ARENA_MAX = -8;

/** As the C++ compiler spells them, on every 64-bit Linux. */
const Symbols = {
	/** `v8::Isolate::GetCurrent()` */
	current: "_ZN2v87Isolate10GetCurrentEv",
	/** `Isolate::AddNearHeapLimitCallback(callback, data)` */
	add: "_ZN2v87Isolate24AddNearHeapLimitCallbackEPFmPvmmES1_",
	/** `Isolate::RemoveNearHeapLimitCallback(callback, heap_limit)` */
	remove: "_ZN2v87Isolate27RemoveNearHeapLimitCallbackEPFmPvmmEm",
} as const;

/** Stands for a function that nothing calls: it is taken away before anything can. */
const NO_CALLBACK = 1n;

/**
 * Lowers the ceiling, not below what is in use.
 * @returns false when it cannot, or it has no effect
 */
export function lowerHeapCeiling(megabytes: number): boolean {
	try {
		const { functions } =
			loadFfi()?.dlopen(null, {
				[Symbols.current]: { return: "u64", arguments: [] },
				[Symbols.add]: { return: "void", arguments: ["u64", "u64", "u64"] },
				[Symbols.remove]: { return: "void", arguments: ["u64", "u64", "u64"] },
			}) ?? {};
		if (functions === undefined) return false;
		const isolate = functions[Symbols.current]();
		functions[Symbols.add](isolate, NO_CALLBACK, 0n);
		// Taking the callback away sets the ceiling, which may have been raised by it.
		const bytes = BigInt(megabytes * MEGABYTE);
		functions[Symbols.remove](isolate, NO_CALLBACK, bytes);
	} catch {
		return false;
	}
	return (
		heapCeilingMegabytes() * MEGABYTE <= megabytes * MEGABYTE + ROUNDING_BYTES
	);
}

/** What this thread's heap may become. */
export function heapCeilingMegabytes(): number {
	return Math.floor(getHeapStatistics().heap_size_limit / MEGABYTE);
}

/** Has malloc make no further heaps; those that are there stay. glibc's alone has several. */
export function useOneArena(): void {
	try {
		loadFfi()
			?.dlopen(null, { mallopt: { return: "i32", arguments: ["i32", "i32"] } })
			.functions.mallopt(M_ARENA_MAX, 1);
	} catch {
		// A C library without it needs none.
	}
}
