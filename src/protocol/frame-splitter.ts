import { varintSize } from "./bytes.ts";
import { PacketType, packetTypeName } from "./constants.ts";
import { givePartialBuffer, takePartialBuffer } from "./partial-buffers.ts";
import { ProtocolError } from "./protocol-error.ts";
import { ReasonCode } from "./reason-codes.ts";

/**
 * Cuts a stream of chunks into frames (whole packets).
 *
 * Frames that lie in one chunk are pointed at where they are; only the rest of a
 * frame whose end has not arrived is copied. One splitter belongs to one connection;
 * a `push` or `resume` runs to its end before the next one begins.
 *
 *     chunk  [ frame ][ frame ][ fra            chunk  me ][ frame ]
 *                                └ copied ─────────────┘
 *
 * A sink that returns false (it waits for something) stops the cutting: from then on
 * everything is copied and kept, up to `maxHeldBytes`, until `resume`. A frame that it has
 * put back comes once more then.
 */

/** What the splitter needs of a memory budget. */
export interface ByteBudgetLike {
	charge(bytes: number): void;
	release(bytes: number): void;
}

export interface FrameSink {
	/**
	 * One whole packet: fixed header from `start`, everything behind the Remaining
	 * Length from `bodyStart` to `end`. The buffer is borrowed until this returns.
	 * May call `reset()`; must not call `push()` or `resume()`.
	 * @returns true to go on, false to stop and have the rest kept
	 */
	onFrame(
		buffer: Buffer,
		start: number,
		bodyStart: number,
		end: number,
	): boolean;
}

const NOTHING = Buffer.alloc(0);
const FIRST_CAPACITY = 64;
const MAX_LENGTH_BYTES = 4;

export class FrameSplitter {
	/** Bytes of a whole packet, fixed header included; a longer one is refused. */
	maxPacketSize: number;
	/**
	 * The same for all packets but PUBLISH, when that is less: they are decoded as a
	 * whole into many small objects, which takes far more time and memory than their size.
	 */
	maxControlPacketSize = 262_144;
	/** Bytes that may wait while stopped. */
	maxHeldBytes = 1_048_576;
	#budget: ByteBudgetLike;
	/** Own copy of what could not be handed over; bytes from #heldStart to #heldEnd count. */
	#held: Buffer = NOTHING;
	#heldStart = 0;
	#heldEnd = 0;
	#isStopped = false;
	#isPutBack = false;
	/** Counts resets, so that a loop notices one made by its sink. */
	#resets = 0;
	/** Where the frame last looked at has its body and its end. */
	#bodyStart = 0;
	#frameEnd = 0;

	/** @param budget is charged with the size of the splitter's own buffer */
	constructor(maxPacketSize: number, budget: ByteBudgetLike) {
		this.maxPacketSize = maxPacketSize;
		this.#budget = budget;
	}

	/** Bytes received and kept here: a partial frame, or everything since the stop. */
	get bufferedBytes(): number {
		return this.#heldEnd - this.#heldStart;
	}

	/** The sink said stop, and nobody has called `resume` since. */
	get isStopped(): boolean {
		return this.#isStopped;
	}

	/** For a sink that is about to return false: the frame it has been given comes again. */
	putBack(): void {
		this.#isPutBack = true;
	}

	/** Other limits from now on: the client has authenticated. What is kept moves to `budget`. */
	useLimits(maxPacketSize: number, budget: ByteBudgetLike): void {
		this.#budget.release(this.#held.length);
		budget.charge(this.#held.length);
		this.#budget = budget;
		this.maxPacketSize = maxPacketSize;
	}

	/**
	 * Hands the whole frames in what is kept plus `chunk` to the sink, in order.
	 * @param chunk borrowed: nothing points to it when this returns
	 * @throws ProtocolError PacketTooLarge from the header alone, MalformedPacket for a
	 *   bad Remaining Length, QuotaExceeded when too much arrives while stopped; and
	 *   whatever the sink throws. Call `reset` then: the stream cannot be continued.
	 */
	push(chunk: Buffer, sink: FrameSink): void {
		if (this.#isStopped) {
			this.#keep(chunk, 0);
			return;
		}
		const resets = this.#resets;
		let at = 0;
		if (this.#heldEnd !== 0) at = this.#completeHeld(chunk, sink);
		if (!this.#isStopped && this.#resets === resets)
			at = this.#cut(chunk, at, chunk.length, sink);
		if (this.#resets === resets && at < chunk.length) this.#keep(chunk, at);
	}

	/**
	 * Goes on after a stop, with the bytes kept.
	 * @throws as `push`
	 */
	resume(sink: FrameSink): void {
		if (!this.#isStopped) return;
		this.#isStopped = false;
		const resets = this.#resets;
		const held = this.#held;
		const end = this.#heldEnd;
		const at = this.#cut(held, this.#heldStart, end, sink);
		if (this.#resets !== resets) return;
		if (this.#isStopped && at < end) {
			this.#heldStart = at;
			return;
		}
		const charged = held.length;
		this.#held = NOTHING;
		this.#heldStart = this.#heldEnd = 0;
		if (at < end) this.#append(held, at, end, end - at);
		this.#budget.release(charged);
	}

	/** Forgets all bytes, releases the budget and may be pushed to again. */
	reset(): void {
		this.#resets++;
		this.#isStopped = false;
		this.#isPutBack = false;
		this.#dropHeld();
	}

	/** Hands over whole frames; returns where the first incomplete one begins. */
	#cut(buffer: Buffer, start: number, limit: number, sink: FrameSink): number {
		const resets = this.#resets;
		let at = start;
		while (at < limit) {
			if (!this.#readHeader(buffer, at, limit)) break;
			const end = this.#frameEnd;
			if (end > limit) break;
			const goesOn = sink.onFrame(buffer, at, this.#bodyStart, end);
			if (this.#resets !== resets) return limit;
			if (!this.#takePutBack()) at = end;
			if (!goesOn) {
				this.#isStopped = true;
				break;
			}
		}
		return at;
	}

	/** False while the Remaining Length has not arrived completely. */
	#readHeader(buffer: Buffer, start: number, limit: number): boolean {
		let at = start + 1;
		let length = 0;
		for (let shift = 0; ; shift += 7) {
			if (at >= limit) return false;
			const byte = buffer[at++] as number;
			length |= (byte & 0x7f) << shift;
			if (byte < 0x80) break;
			if (at - start > MAX_LENGTH_BYTES)
				throw new ProtocolError(
					ReasonCode.MalformedPacket,
					"Remaining Length is longer than four bytes",
				);
		}
		if (at - start - 1 !== varintSize(length))
			throw new ProtocolError(
				ReasonCode.MalformedPacket,
				"Remaining Length is not in its shortest form", // [MQTT-1.5.5-1]
			);
		this.#bodyStart = at;
		this.#frameEnd = at + length;
		const size = at - start + length;
		if (size > this.maxControlPacketSize || size > this.maxPacketSize)
			this.#checkSize(buffer[start] as number, size);
		return true;
	}

	#checkSize(first: number, size: number): void {
		const isPublish = first >> 4 === PacketType.Publish;
		const limit = isPublish
			? this.maxPacketSize
			: Math.min(this.maxPacketSize, this.maxControlPacketSize);
		if (size > limit)
			throw new ProtocolError(
				ReasonCode.PacketTooLarge,
				`${packetTypeName[first >> 4]} of ${size} bytes, the limit is ${limit}`,
			);
	}

	/**
	 * Adds to the partial frame what it lacks, and hands it over when it is whole.
	 * @returns how much of the chunk that took
	 */
	#completeHeld(chunk: Buffer, sink: FrameSink): number {
		let at = 0;
		// The header byte by byte: what follows may belong to the next frame.
		while (!this.#readHeader(this.#held, 0, this.#heldEnd)) {
			if (at === chunk.length) return at;
			this.#append(chunk, at, at + 1, FIRST_CAPACITY);
			at++;
		}
		const frameEnd = this.#frameEnd;
		const bodyStart = this.#bodyStart;
		const take = Math.min(frameEnd - this.#heldEnd, chunk.length - at);
		if (take > 0) this.#append(chunk, at, at + take, frameEnd);
		at += take;
		if (this.#heldEnd < frameEnd) return at;
		const resets = this.#resets;
		const goesOn = sink.onFrame(this.#held, 0, bodyStart, frameEnd);
		if (this.#resets !== resets) return at;
		if (!this.#takePutBack()) {
			givePartialBuffer(this.#held);
			this.#dropHeld();
		}
		if (!goesOn) this.#isStopped = true;
		return at;
	}

	#takePutBack(): boolean {
		const isPutBack = this.#isPutBack;
		this.#isPutBack = false;
		return isPutBack;
	}

	/** Copies the rest of a chunk: the start of a frame, or bytes behind a stop. */
	#keep(chunk: Buffer, at: number): void {
		const count = chunk.length - at;
		if (this.#isStopped && this.bufferedBytes + count > this.maxHeldBytes)
			throw new ProtocolError(
				ReasonCode.QuotaExceeded,
				`more than ${this.maxHeldBytes} bytes sent ahead of an answer`,
			);
		const wanted = this.#isStopped ? this.maxHeldBytes : this.maxPacketSize;
		this.#append(chunk, at, chunk.length, wanted);
	}

	/**
	 * Grows by doubling what has really arrived, never by what a header claims.
	 * @param wanted bytes that are going to be needed at most
	 */
	#append(source: Buffer, from: number, to: number, wanted: number): void {
		const held = this.bufferedBytes;
		const needed = held + to - from;
		if (this.#heldEnd + to - from > this.#held.length) {
			const larger = takePartialBuffer(
				needed,
				Math.max(FIRST_CAPACITY, Math.min(2 * needed, wanted)),
			);
			this.#held.copy(larger, 0, this.#heldStart, this.#heldEnd);
			this.#budget.charge(larger.length);
			this.#budget.release(this.#held.length);
			// While what was held is being cut, it is the source.
			if (this.#held !== source) givePartialBuffer(this.#held);
			this.#held = larger;
			this.#heldStart = 0;
			this.#heldEnd = held;
		}
		source.copy(this.#held, this.#heldEnd, from, to);
		this.#heldEnd += to - from;
	}

	#dropHeld(): void {
		this.#budget.release(this.#held.length);
		this.#held = NOTHING;
		this.#heldStart = 0;
		this.#heldEnd = 0;
	}
}
