/** What subscribers get: how much, how late, whether complete, once and in order. */
import { Histogram } from "./histogram.ts";
import type { Scenario } from "./scenario.ts";
import { type Order, SequenceCheck } from "./sequence-check.ts";
import { STAMP_BYTES, STAMP_MARK } from "./stamp.ts";

export class Arrivals {
	/** While it measures. */
	readonly latency = new Histogram();
	readonly order: Order = { missing: 0, duplicates: 0, reordered: 0 };
	/** Copies, duplicates included, since the beginning. */
	count = 0;
	/** Messages that no generator has sent. */
	foreign = 0;
	isMeasuring = false;
	/** When the read that is handled began, as stampMs(). */
	nowMs = 0;
	readonly #view: DataView;
	/** Of each subscriber. */
	readonly #checks: readonly SequenceCheck[];
	/** New copies, by publisher. */
	readonly #byPublisher: Float64Array;
	/** Others publish, who may have begun before. */
	readonly #isJoining: boolean;
	readonly #isOrdered: boolean;
	#lastDueMs = 0;
	#lastMicros = 0;

	/** @param view on the buffer that all reads go to */
	constructor({ shape, publishers, subscribers }: Scenario, view: DataView) {
		this.#view = view;
		this.#isJoining = publishers === 0;
		// Of different topics retained messages come in any order.
		this.#isOrdered = shape !== "retained";
		this.#byPublisher = new Float64Array(publishers);
		const isPair = shape === "pair" || shape === "offline";
		this.#checks = Array.from(
			{ length: subscribers },
			(_, index) =>
				new SequenceCheck(
					this.order,
					isPair ? index : 0,
					isPair ? 1 : publishers,
				),
		);
	}

	/** New copies of a publisher's messages. */
	from(publisher: number): number {
		return this.#byPublisher[publisher] as number;
	}

	/** @param isShared the buffer is that of all reads, as nearly always */
	add(
		subscriber: number,
		buffer: Buffer,
		payloadAt: number,
		end: number,
		isShared: boolean,
	): void {
		if (end - payloadAt < STAMP_BYTES || buffer[payloadAt] !== STAMP_MARK) {
			this.foreign++;
			return;
		}
		let sequence: number;
		let dueMs: number;
		if (isShared) {
			sequence = this.#view.getUint32(payloadAt + 4);
			dueMs = this.#view.getFloat64(payloadAt + 8);
		} else {
			sequence = buffer.readUInt32BE(payloadAt + 4);
			dueMs = buffer.readDoubleBE(payloadAt + 8);
		}
		const publisher =
			((buffer[payloadAt + 1] as number) << 16) |
			((buffer[payloadAt + 2] as number) << 8) |
			(buffer[payloadAt + 3] as number);
		this.count++;
		if (!this.#isOrdered) return;
		const check = this.#checks[subscriber] as SequenceCheck;
		if (
			check.arrived(publisher, sequence, this.#isJoining) &&
			publisher < this.#byPublisher.length
		)
			this.#byPublisher[publisher] = this.from(publisher) + 1;
		if (!this.isMeasuring) return;
		// Messages of one burst were due together.
		if (dueMs !== this.#lastDueMs) {
			this.#lastDueMs = dueMs;
			this.#lastMicros = (this.nowMs - dueMs) * 1000;
		}
		this.latency.add(this.#lastMicros);
	}
}
