/** From this size on a layout is handed to sockets by reference, so it has to own its bytes. */
export const REFERENCE_BYTES = 16_384;

/**
 * A PUBLISH frame to be sent, apart from first byte and packet id, which the outbox sets.
 * Its bytes are borrowed from the socket read, unless it has `REFERENCE_BYTES` or more.
 */
export interface Layout {
	readonly frame: Buffer;
	readonly start: number;
	readonly end: number;
	/** Absolute index into `frame` of the two bytes of the packet id; -1 without one. */
	readonly packetIdOffset: number;
}
