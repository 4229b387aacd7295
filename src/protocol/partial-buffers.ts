/**
 * Memory for packets that arrive in parts, used again and again: V8 collects the whole heap
 * whenever enough memory outside of it was allocated, so a new buffer for each packet of
 * 64 KiB cost more than all else that is done with the packet. Main thread only.
 */

/** Smaller ones are made as they are needed. */
const SMALLEST_BYTES = 4096;
const LARGEST_BYTES = 1_048_576;
/** Of unused buffers, all together; more are left to the collector. */
const MAX_FREE_BYTES = 4 * LARGEST_BYTES;

/** By the logarithm of their size. */
const free: Buffer[][] = [];
let freeBytes = 0;

/**
 * @param bytes that are needed now
 * @param wanted what would be welcome, where this pool has no size for it
 * @returns at least `bytes`, twice as much or `wanted` at most, with arbitrary content
 */
export function takePartialBuffer(bytes: number, wanted: number): Buffer {
	const isSmall = bytes < SMALLEST_BYTES && wanted < SMALLEST_BYTES;
	if (isSmall || bytes > LARGEST_BYTES)
		return Buffer.allocUnsafeSlow(Math.max(bytes, wanted));
	const least = Math.max(bytes, SMALLEST_BYTES);
	const exponent = 32 - Math.clz32(least - 1);
	const buffer = free[exponent]?.pop();
	if (buffer === undefined) return Buffer.allocUnsafeSlow(2 ** exponent);
	freeBytes -= buffer.length;
	return buffer;
}

/** Takes one back that nobody reads any more, wherever it came from. */
export function givePartialBuffer(buffer: Buffer): void {
	const { length } = buffer;
	const exponent = 31 - Math.clz32(length);
	if (length < SMALLEST_BYTES || length > LARGEST_BYTES) return;
	if (2 ** exponent !== length || freeBytes + length > MAX_FREE_BYTES) return;
	free[exponent] ??= [];
	free[exponent].push(buffer);
	freeBytes += length;
}
