/** Small deterministic random numbers and the ways to spoil a frame. */

/** A generator of 32-bit numbers (mulberry32): the same seed gives the same run. */
export class Random {
	#state: number;

	constructor(seed: number) {
		this.#state = seed >>> 0;
	}

	/** An integer from 0 to below `limit`. */
	below(limit: number): number {
		this.#state = (this.#state + 0x6d2b79f5) >>> 0;
		let mixed = this.#state;
		mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
	}

	pick<T>(items: readonly T[]): T {
		return items[this.below(items.length)] as T;
	}
}

/** Bytes that mean something somewhere: flags, lengths, identifiers, UTF-8 leads. */
const telling = [
	0, 1, 2, 0x7f, 0x80, 0xff, 0x23, 0x26, 0x2b, 0x0b, 0xc0, 0xed, 0xf4,
];

/** A spoilt copy: one to four changes, with the Remaining Length put right most of the time. */
export function mutate(frame: Buffer, other: Buffer, random: Random): Buffer {
	let bytes: Buffer = Buffer.from(frame);
	for (let change = random.below(4); change >= 0; change--)
		bytes = mutateOnce(bytes, other, random);
	if (random.below(4) > 0 && bytes.length >= 2 && bytes.length < 130)
		bytes[1] = bytes.length - 2;
	return bytes;
}

function mutateOnce(bytes: Buffer, other: Buffer, random: Random): Buffer {
	if (bytes.length === 0) return Buffer.from([random.below(256)]);
	const at = random.below(bytes.length);
	switch (random.below(7)) {
		case 0:
			bytes[at] = random.below(256);
			return bytes;
		case 1:
			bytes[at] = random.pick(telling);
			return bytes;
		case 2:
			bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
			return bytes;
		case 3:
			return Buffer.from(bytes.subarray(0, at));
		case 4: {
			const inserted = Buffer.from([random.pick(telling)]);
			return Buffer.concat([
				bytes.subarray(0, at),
				inserted,
				bytes.subarray(at),
			]);
		}
		case 5: {
			const count = 1 + random.below(4);
			return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + count)]);
		}
		default: {
			const from = random.below(other.length);
			const piece = other.subarray(from, from + 1 + random.below(12));
			return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
		}
	}
}
