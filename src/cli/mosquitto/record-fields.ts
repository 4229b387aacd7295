/** The fields of one chunk of a mosquitto.db, one after another. */

/** A chunk does not hold what it should. */
export class BrokenChunk extends Error {
	override readonly name = "BrokenChunk";
}

/** After this a time makes no sense: the year 5138. */
const LAST_SECOND = 100_000_000_000;

/** Takes one field after another. All methods throw BrokenChunk at the end of the bytes. */
export class Fields {
	at = 0;
	readonly #bytes: Buffer;

	constructor(bytes: Buffer) {
		this.#bytes = bytes;
	}

	u8(): number {
		return this.#bytes.readUInt8(this.#take(1));
	}

	u16(): number {
		return this.#bytes.readUInt16BE(this.#take(2));
	}

	u32(): number {
		return this.#bytes.readUInt32BE(this.#take(4));
	}

	id(): bigint {
		return this.#bytes.readBigUInt64LE(this.#take(8));
	}

	/** Unix time in seconds, whichever byte order makes sense; 0 when neither does. */
	time(bytes: 4 | 8): number {
		const at = this.#take(bytes);
		const both =
			bytes === 4
				? [this.#bytes.readInt32LE(at), this.#bytes.readInt32BE(at)]
				: [
						Number(this.#bytes.readBigInt64LE(at)),
						Number(this.#bytes.readBigInt64BE(at)),
					];
		return both.find((time) => time >= 0 && time < LAST_SECOND) ?? 0;
	}

	/** With its length before it. */
	text(): string {
		return this.textOf(this.u16());
	}

	textOf(length: number): string {
		const at = this.#take(length);
		return this.#bytes.toString("utf8", at, at + length);
	}

	skip(length: number): void {
		this.#take(length);
	}

	#take(length: number): number {
		const at = this.at;
		if (at + length > this.#bytes.length) throw new BrokenChunk("is cut off");
		this.at += length;
		return at;
	}
}
