/**
 * Bytes on their way to one peer: packets are copied behind each other and leave in
 * one write per turn. Owned by its connection; main thread only.
 *
 *   append -> +-----------------+        +-----------------+      +--------------+
 *             | chunk (pooled)  | full   | sealed batch    | flush| in flight    |
 *             | ####......      | -----> | [chunk][ref][ch]| ---> | until drain  |
 *             +-----------------+        +-----------------+      +--------------+
 *                  ^   ^                                            |  chunks
 *                  |   start of what no segment covers yet          v
 *                  +-------------------- pool 1K 4K 16K 64K <-------+
 *
 * The usual turn has one chunk, which moves into a larger one when it is full, and no
 * batch: taken, filled, written, given back. Ranges of 16 KiB or more are not copied but
 * become segments of their own. When the system refuses bytes, the write is in flight
 * until `onDrain`, and what is appended meanwhile waits in new chunks.
 *
 * The budget is charged for memory held: whole chunks, and each referenced buffer
 * once per budget (shared-references.ts).
 */

import type { ByteBudget } from "../platform/byte-budget.ts";
import { REFERENCE_BYTES } from "../protocol/layout.ts";
import type { ByteStream } from "./byte-stream.ts";
import {
	type ChunkPool,
	chunkClassFor,
	LARGEST_CHUNK,
	NO_CHUNK,
} from "./chunk-pool.ts";
import type { FlushLoop } from "./flush-loop.ts";
import { type OutboxOwner, OutputBatch } from "./output-batch.ts";
import type { SharedReferences } from "./shared-references.ts";

/** More is written before the turn ends, so that a burst does not pile up. */
const EARLY_FLUSH_BYTES = 64 * 1024;

const single: Buffer[] = [NO_CHUNK]; // streams do not keep the list

export class Outbox {
	/** Above this many pending bytes {@link isCongested} holds. */
	highWaterBytes: number;
	/** Belongs to the flush loop: it will flush this outbox at the end of the turn. */
	isListed = false;

	readonly #owner: OutboxOwner | null;
	readonly #stream: ByteStream;
	readonly #loop: FlushLoop;
	readonly #pool: ChunkPool;
	readonly #budget: ByteBudget;
	readonly #references: SharedReferences;
	#chunk: Buffer = NO_CHUNK;
	/** Where in the chunk the part begins that no segment covers. */
	#start = 0;
	#end = 0;
	/** The size class to begin with: what the last flush would have needed. */
	#sizeClass = 0;
	#sealed: OutputBatch | null = null;
	#inFlight: OutputBatch | null = null;
	#queuedBytes = 0;
	#isBlocked = false;
	#isClosed = false;

	/**
	 * @param budget charged for the memory held
	 * @param highWaterBytes pending bytes above which the outbox is congested
	 */
	constructor(
		stream: ByteStream,
		loop: FlushLoop,
		budget: ByteBudget,
		highWaterBytes: number,
		owner: OutboxOwner | null = null,
	) {
		this.#owner = owner;
		this.highWaterBytes = highWaterBytes;
		this.#stream = stream;
		this.#loop = loop;
		this.#pool = loop.pool;
		this.#budget = budget;
		this.#references = loop.referencesOf(budget);
	}

	/** Bytes appended that the system has not taken. */
	get pendingBytes(): number {
		return this.#queuedBytes + this.inFlightBytes;
	}

	/** Of what is in flight, what the system has not taken: falls whenever the peer takes something. */
	get inFlightBytes(): number {
		return this.#isBlocked ? this.#stream.pendingBytes : 0;
	}

	/** The peer is slow; never before the system has refused bytes. */
	get isCongested(): boolean {
		return this.#isBlocked && this.pendingBytes > this.highWaterBytes;
	}

	/** The system refused bytes of the last write and has not taken them since. */
	get isBlocked(): boolean {
		return this.#isBlocked;
	}

	/**
	 * Adds `bytes` from `start` to `end`. Less than 16 KiB are copied; a larger range
	 * is kept by reference and must not change until it was sent. May write at once
	 * when much has gathered.
	 */
	append(bytes: Buffer, start = 0, end = bytes.length): void {
		if (this.#isClosed || end <= start) return;
		this.#copyOrReference(bytes, start, end);
		this.#appended();
	}

	/**
	 * Adds a PUBLISH with its own first byte and packet id. Large ones are copied up to
	 * the packet id, and the rest is kept by reference as in {@link append}.
	 * @param packetIdOffset absolute index into `bytes`; -1 when the packet has none
	 */
	appendPublish(
		bytes: Buffer,
		start: number,
		end: number,
		firstByte: number,
		packetIdOffset: number,
		packetId: number,
	): void {
		if (this.#isClosed) return;
		if (end - start >= REFERENCE_BYTES) {
			this.#appendLarge(bytes, start, end, firstByte, packetIdOffset, packetId);
			return;
		}
		const at = this.#reserve(end - start);
		const chunk = this.#chunk;
		bytes.copy(chunk, at, start, end);
		chunk[at] = firstByte;
		if (packetIdOffset >= 0) {
			const idAt = at + packetIdOffset - start;
			chunk[idAt] = packetId >> 8;
			chunk[idAt + 1] = packetId & 0xff;
		}
		this.#appended();
	}

	/** Adds a PUBACK, PUBREC, PUBREL or PUBCOMP of four bytes. */
	appendAck(firstByte: number, packetId: number): void {
		if (this.#isClosed) return;
		const at = this.#reserve(4);
		const chunk = this.#chunk;
		chunk[at] = firstByte;
		chunk[at + 1] = 2;
		chunk[at + 2] = packetId >> 8;
		chunk[at + 3] = packetId & 0xff;
		this.#appended();
	}

	/** To be called from the stream's `onDrain`: everything in flight was taken. */
	onDrain(): void {
		if (this.#isClosed || !this.#isBlocked) return;
		this.#isBlocked = false;
		this.#inFlight?.release(this.#budget, this.#references, this.#pool);
		this.#inFlight = null;
		if (this.#queuedBytes > 0) this.#loop.markDirty(this);
	}

	/** Writes what was appended. While blocked nothing happens until the drain. */
	flush(): void {
		if (this.#isBlocked || this.#queuedBytes === 0) return;
		this.#sizeClass = chunkClassFor(this.#queuedBytes);
		this.#queuedBytes = 0;
		// A write may call back (an in-process peer answers at once): it finds us blocked.
		this.#isBlocked = true;
		if (this.#sealed === null) this.#flushChunk();
		else this.#flushBatch(this.#sealed);
	}

	/** Throws away what is queued and gives back all memory; what is in flight is the stream's. */
	close(): void {
		if (this.#isClosed) return;
		this.#isClosed = true;
		if (this.#chunk !== NO_CHUNK) this.#giveBack(this.#detachChunk());
		this.#queuedBytes = 0;
		this.#sealed?.release(this.#budget, this.#references, this.#pool);
		this.#sealed = null;
		// The socket may still read what is in flight: that does not go back to the pool.
		this.#inFlight?.release(this.#budget, this.#references, null);
		this.#inFlight = null;
		this.#isBlocked = false;
	}

	/** Room for `length` bytes in the chunk. @returns where they begin */
	#reserve(length: number): number {
		if (this.#chunk.length - this.#end < length) this.#nextChunk(length);
		const at = this.#end;
		this.#end = at + length;
		this.#queuedBytes += length;
		return at;
	}

	#appended(): void {
		if (this.#isBlocked) return;
		if (this.#queuedBytes >= EARLY_FLUSH_BYTES) this.flush();
		else if (!this.isListed) this.#loop.markDirty(this);
	}

	/** A larger chunk, with what no segment covers yet: another segment would cost more. */
	#nextChunk(length: number): void {
		const full = this.#chunk;
		const open = this.#end - this.#start;
		// What waits for a slow peer is held for long: in chunks that fit.
		const most = this.#isBlocked ? REFERENCE_BYTES : LARGEST_CHUNK;
		const moves = open + length <= most;
		const least = Math.min(full.length + 1, most);
		const wanted = Math.max(length + (moves ? open : 0), least);
		const sizeClass = Math.max(chunkClassFor(wanted), this.#sizeClass);
		const chunk = this.#pool.take(sizeClass);
		this.#budget.charge(chunk.length);
		if (moves) full.copy(chunk, 0, this.#start, this.#end);
		else this.#seal();
		if (this.#start > 0) this.#sealed?.chunks.push(full);
		else if (full !== NO_CHUNK) this.#giveBack(full);
		this.#chunk = chunk;
		this.#start = 0;
		this.#end = moves ? open : 0;
	}

	/** Makes the open part of the chunk a segment; the chunk may be filled further. */
	#seal(): OutputBatch {
		this.#sealed ??= new OutputBatch();
		if (this.#end > this.#start) {
			this.#sealed.segments.push(this.#chunk.subarray(this.#start, this.#end));
			this.#start = this.#end;
		}
		return this.#sealed;
	}

	#reference(bytes: Buffer, start: number, end: number): void {
		const batch = this.#seal();
		batch.segments.push(bytes.subarray(start, end));
		batch.references.push(bytes);
		this.#references.hold(bytes);
		this.#queuedBytes += end - start;
	}

	#appendLarge(
		bytes: Buffer,
		start: number,
		end: number,
		firstByte: number,
		packetIdOffset: number,
		packetId: number,
	): void {
		const first = this.#reserve(1); // may change the chunk, so it comes first
		this.#chunk[first] = firstByte;
		let rest = start + 1;
		if (packetIdOffset >= 0) {
			this.#copyOrReference(bytes, rest, packetIdOffset);
			const at = this.#reserve(2);
			this.#chunk[at] = packetId >> 8;
			this.#chunk[at + 1] = packetId & 0xff;
			rest = packetIdOffset + 2;
		}
		this.#copyOrReference(bytes, rest, end);
		this.#appended();
	}

	#copyOrReference(bytes: Buffer, start: number, end: number): void {
		if (end - start >= REFERENCE_BYTES) {
			this.#reference(bytes, start, end);
		} else {
			const at = this.#reserve(end - start);
			bytes.copy(this.#chunk, at, start, end);
		}
	}

	#flushChunk(): void {
		single[0] = this.#chunk.subarray(0, this.#end);
		const chunk = this.#detachChunk();
		if (this.#stream.write(single)) {
			this.#giveBack(chunk);
			this.#taken();
		} else {
			const batch = new OutputBatch();
			batch.chunks.push(chunk);
			this.#refused(batch);
		}
	}

	#flushBatch(batch: OutputBatch): void {
		this.#seal();
		if (this.#chunk !== NO_CHUNK) batch.chunks.push(this.#detachChunk());
		this.#sealed = null;
		const segments = batch.segments;
		batch.segments = [];
		if (this.#stream.write(segments)) {
			batch.release(this.#budget, this.#references, this.#pool);
			this.#taken();
		} else {
			this.#refused(batch);
		}
	}

	#taken(): void {
		if (this.#isClosed) return;
		this.#isBlocked = false;
		if (this.#queuedBytes > 0) this.#loop.markDirty(this);
	}

	#refused(batch: OutputBatch): void {
		if (!this.#isClosed) {
			this.#inFlight = batch;
			this.#owner?.onBlocked();
			return;
		}
		// Closed from within the write: close() did not know of this batch.
		batch.release(this.#budget, this.#references, null);
	}

	#detachChunk(): Buffer {
		const chunk = this.#chunk;
		this.#chunk = NO_CHUNK;
		this.#start = this.#end = 0;
		return chunk;
	}

	#giveBack(chunk: Buffer): void {
		this.#budget.release(chunk.length);
		this.#pool.give(chunk);
	}
}
