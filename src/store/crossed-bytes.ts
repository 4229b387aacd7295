import type { StoredWill } from "./store.ts";

/** What has crossed threads. Pure. */

/** A Buffer that has crossed threads is a plain Uint8Array. */
export function toBuffer(bytes: Uint8Array): Buffer {
	return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

export function ownWill(will: StoredWill): StoredWill {
	return {
		...will,
		payload: toBuffer(will.payload),
		properties: toBuffer(will.properties),
	};
}
