/**
 * How the memory of the process is divided. Pure arithmetic.
 *
 *      0        base            budget            slack     limit
 *      |---------|--------------------------------|----------|
 *       program,   what clients and traffic         collector,
 *       libraries  may be charged for               allocator
 */
import type { MachineMemory } from "../platform/machine-memory.ts";

const MB = 1024 * 1024;

/** Below this the program itself hardly fits. */
export const LEAST_MEMORY_LIMIT = 96 * MB;
/** A broker that may hold less than this cannot serve anybody. */
const LEAST_BUDGET = 8 * MB;
/** What compiled code, SQLite's cache, and buffers grow to after the start, whoever comes. */
const GROWTH = 20 * MB;
/** Of what is left beyond the base: for the collector, fragments, the kernel's rounding. */
const SLACK = 0.25;
/** V8's heap of a broker that has no clients. */
const BASE_HEAP = 16 * MB;
/** A part of the base, roughly, for those who plan before it can be measured. */
const TYPICAL_BASE = 72 * MB;
const HEAP_MARGIN = 1.5;

/**
 * The ceiling in bytes.
 * @param configured `memory_limit`; Infinity for `auto`
 */
export function memoryLimit(
	configured: number,
	{ ramBytes, cgroupBytes }: MachineMemory,
): number {
	if (configured !== Number.POSITIVE_INFINITY) return configured;
	const share = Math.floor(0.8 * Math.min(cgroupBytes, ramBytes / 2));
	return Math.max(LEAST_MEMORY_LIMIT, share);
}

/**
 * What may be charged, in bytes.
 * @param baseBytes the process in RAM before it holds anything for clients
 */
export function memoryBudget(limitBytes: number, baseBytes: number): number {
	const rest = limitBytes - baseBytes - GROWTH;
	return Math.max(LEAST_BUDGET, Math.floor(rest * (1 - SLACK)));
}

/** How large a database in memory may become, in bytes: what is left serves the clients. */
export function memoryDatabaseLimit(limitBytes: number): number {
	return Math.floor(memoryBudget(limitBytes, TYPICAL_BASE) / 2);
}

/** V8's limit of old space in MB: a backstop well above what the budget lets grow. */
export function heapLimitMegabytes(limitBytes: number): number {
	const budget = memoryBudget(limitBytes, TYPICAL_BASE);
	return Math.ceil((HEAP_MARGIN * (budget + BASE_HEAP)) / MB);
}
