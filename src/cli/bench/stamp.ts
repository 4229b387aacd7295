/**
 * What the generator writes into the first 16 bytes of each payload:
 *
 *     0       0xB5, by which its own messages are known
 *     1 - 3   number of the publisher
 *     4 - 7   number of the message, from 1, in the publisher's order
 *     8 - 15  when it was due, in milliseconds of the machine's monotonic clock
 *
 * The clock is the same for all processes of a machine, so a generator may receive what
 * another one has sent.
 */

export const STAMP_BYTES = 16;
export const STAMP_MARK = 0xb5;

/** Behind this process's own clock, which begins with it. */
const ORIGIN_MS = originMs();

function originMs(): number {
	const [seconds, nanos] = process.hrtime();
	return seconds * 1000 + nanos / 1e6 - performance.now();
}

/** Milliseconds, of the same clock in all processes of the machine. */
export function stampMs(): number {
	return ORIGIN_MS + performance.now();
}

/** The part that stays the same for all messages of a publisher. */
export function markPayload(
	bytes: Buffer,
	payloadAt: number,
	publisher: number,
): void {
	bytes.writeUInt32BE(STAMP_MARK * 0x100_0000 + publisher, payloadAt);
}
