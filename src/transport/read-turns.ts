/**
 * Whose turn it is to be read. The event loop reads one socket up to 32 times in a row while
 * its reads come back full: 2 MiB, 25,000 small packets, during which nobody else is served.
 * Here a socket that has used its share of a turn stops, and goes on in the next one, after
 * all others. Who sends less than a whole read at a time never gets here.
 */

/** What one socket sends may be handled for about this long before others have their turn. */
const SHARE_MS = 0.5;

/** A full read that is handled in less than this part of a share could be larger. */
const QUICK_SHARE = 1 / 8;

export interface TurnReader {
	/** Others have had their turn: reading may go on. */
	readAgain(): void;
}

let waiting: TurnReader[] = [];
let current: TurnReader | null = null;
let usedMs = 0;

/**
 * To be called after each full read, with the time that handling it took.
 * @returns true when the reader must not read on until `readAgain`
 */
export function hasUsedTurn(reader: TurnReader, tookMs: number): boolean {
	usedMs = reader === current ? usedMs + tookMs : tookMs;
	current = reader;
	if (usedMs < SHARE_MS) return false;
	endTurn(reader);
	return true;
}

/**
 * A read cannot be cut once it was made: it should not take longer than a share.
 * @param size of a full read that took so long; 0 is the largest, each next one a quarter
 * @param sizes how many there are
 * @returns that of the reads to come
 */
export function nextReadSize(
	size: number,
	tookMs: number,
	sizes: number,
): number {
	if (tookMs > SHARE_MS) return Math.min(size + 1, sizes - 1);
	return tookMs < SHARE_MS * QUICK_SHARE ? Math.max(size - 1, 0) : size;
}

/** The same for a reader whose time is not known. */
export function endTurn(reader: TurnReader): void {
	current = null;
	if (waiting.length === 0) setImmediate(readOn);
	waiting.push(reader);
}

function readOn(): void {
	const readers = waiting;
	waiting = [];
	for (const reader of readers) reader.readAgain();
}
