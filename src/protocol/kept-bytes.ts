/**
 * Memory for small messages that are kept for an unknown time.
 *
 * `Buffer.allocUnsafe` cuts from slabs of 64 KiB that everything shares: one retained
 * value of 60 bytes would keep such a slab alive, and no budget would know. A buffer of
 * its own costs about 430 bytes more than its content. So small messages share slabs
 * of 2 KiB with other kept messages only, and larger ones get their own memory.
 */

const SLAB_BYTES = 2048;
const MAX_SHARED = 256;

let slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
let used = 0;

/** Uninitialised bytes to be kept. */
export function allocateKept(size: number): Buffer {
	if (size > MAX_SHARED) return Buffer.allocUnsafeSlow(size);
	if (used + size > SLAB_BYTES) {
		slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
		used = 0;
	}
	const start = used;
	used += size;
	return slab.subarray(start, used);
}
