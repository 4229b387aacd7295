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

/** The memory in which {@link reserveKept} has found room last. */
export let keptBytes: Buffer = Buffer.allocUnsafeSlow(SLAB_BYTES);
let slab = keptBytes;
let used = 0;

/**
 * Room for `size` uninitialised bytes to be kept. A place, not a view: a view is an object
 * of 150 bytes, made for each message.
 * @returns where they begin in {@link keptBytes}, until the next call
 */
export function reserveKept(size: number): number {
	if (size > MAX_SHARED) {
		keptBytes = Buffer.allocUnsafeSlow(size);
		return 0;
	}
	if (used + size > SLAB_BYTES) {
		slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
		used = 0;
	}
	keptBytes = slab;
	const start = used;
	used += size;
	return start;
}
