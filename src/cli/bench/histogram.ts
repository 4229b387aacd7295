/**
 * A histogram of times: steps of one part in 64, so a percentile is at most 1.6 % too high,
 * in 16 KB however many are counted.
 *
 *     below 128    one bucket for each microsecond
 *     above        64 buckets between a power of two and the next
 *
 * Half a million years fit no latency: what is above 71 minutes counts as that, but for `max`.
 */

const LINEAR = 128;
const STEPS = 64;
const MOST_MICROS = 0xffff_ffff;

export interface Percentiles {
	readonly count: number;
	readonly p50: number;
	readonly p95: number;
	readonly p99: number;
	readonly p999: number;
	readonly max: number;
}

export class Histogram {
	readonly #counts = new Float64Array(bucketOf(MOST_MICROS) + 1);
	#count = 0;
	#max = 0;

	/** How many were added. */
	get count(): number {
		return this.#count;
	}

	/** Below 0 counts as 0: clocks of two processes may differ by that. */
	add(micros: number): void {
		const index = bucketOf(micros);
		this.#counts[index] = (this.#counts[index] as number) + 1;
		this.#count++;
		if (micros > this.#max) this.#max = micros;
	}

	reset(): void {
		this.#counts.fill(0);
		this.#count = 0;
		this.#max = 0;
	}

	/**
	 * The least time that `share` of all did not exceed, or up to 1.6 % more; 0 when empty.
	 * @param share above 0, to 1
	 */
	percentile(share: number): number {
		const wanted = Math.ceil(share * this.#count);
		let seen = 0;
		for (const [index, count] of this.#counts.entries()) {
			seen += count;
			if (count > 0 && seen >= wanted)
				return Math.min(highestIn(index), this.#max);
		}
		return this.#max;
	}

	/** In microseconds. */
	percentiles(): Percentiles {
		return {
			count: this.#count,
			p50: this.percentile(0.5),
			p95: this.percentile(0.95),
			p99: this.percentile(0.99),
			p999: this.percentile(0.999),
			max: this.#max,
		};
	}
}

function bucketOf(micros: number): number {
	const value = micros > 0 ? Math.min(micros, MOST_MICROS) >>> 0 : 0;
	if (value < LINEAR) return value;
	const shift = 25 - Math.clz32(value);
	return shift * STEPS + (value >>> shift);
}

/** The end of a bucket, which belongs to the next. */
function highestIn(index: number): number {
	if (index < LINEAR) return index + 1;
	const shift = Math.floor(index / STEPS) - 1;
	return (index - shift * STEPS + 1) * 2 ** shift;
}
