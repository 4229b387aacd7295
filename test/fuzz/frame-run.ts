import { Fanout } from "../../src/protocol/fanout.ts";
import {
	type FrameSink,
	FrameSplitter,
} from "../../src/protocol/frame-splitter.ts";
import type { Family } from "../../src/protocol/messages.ts";
import { peekProtocolLevel } from "../../src/protocol/packets.ts";
import { ProtocolError } from "../../src/protocol/protocol-error.ts";
import { Publish } from "../../src/protocol/publish.ts";
import { decodeAny } from "../fixtures/decode-frame.ts";
import { frameOf } from "../fixtures/frame-text.ts";
import { invalidPackets, validPackets } from "../fixtures/packets.ts";
import { ownedCopy } from "../support/owned-copy.ts";
import { mutate, Random } from "./mutate.ts";

/**
 * Spoilt frames through splitter and decoders: whatever comes, only a ProtocolError
 * may come out, what is accepted can be sent on, and nothing stays behind.
 */

export interface FuzzReport {
	frames: number;
	accepted: number;
	refused: number;
	/** Heap in use after a collection at the start and at the end, in bytes; 0 when not collected. */
	heapBefore: number;
	heapAfter: number;
}

/** @throws Error naming the seed, the frame number and the bytes of the first failure */
export class FuzzRun {
	readonly #random: Random;
	readonly #seed: number;
	readonly #seeds: Array<{ frame: Buffer; family: Family }>;
	charged = 0;
	frames = 0;
	accepted = 0;
	refused = 0;

	constructor(seed: number) {
		this.#seed = seed;
		this.#random = new Random(seed);
		this.#seeds = [...validPackets, ...invalidPackets].map((row) => ({
			frame: frameOf(row.frame),
			family: row.family,
		}));
	}

	step(): void {
		const random = this.#random;
		const { frame, family } = random.pick(this.#seeds);
		const other = random.pick(this.#seeds);
		const spoilt = mutate(frame, other.frame, random);
		this.frames++;
		try {
			this.#feed(
				spoilt,
				random.below(8) === 0 ? ((8 - family) as Family) : family,
			);
			if (this.charged !== 0)
				throw new Error(`${this.charged} bytes are left charged`);
			this.accepted++;
		} catch (error) {
			this.refused++;
			if (error instanceof ProtocolError && this.charged === 0) return;
			throw new Error(
				`seed ${this.#seed}, frame ${this.frames}, family ${family}: ${spoilt.toString("hex")}`,
				{ cause: error },
			);
		}
	}

	#feed(bytes: Buffer, family: Family): void {
		const random = this.#random;
		const splitter = new FrameSplitter(1_000_000, {
			charge: (count) => {
				this.charged += count;
			},
			release: (count) => {
				this.charged -= count;
			},
		});
		const sink: FrameSink = {
			onFrame: (buffer, start, bodyStart, end) => {
				peekProtocolLevel(buffer, bodyStart, end);
				const packet = decodeAny(buffer, start, bodyStart, end, family);
				if (packet instanceof Publish) sendOn(packet);
				return random.below(4) > 0;
			},
		};
		try {
			const middle = random.below(bytes.length + 1);
			splitter.push(bytes.subarray(0, middle), sink);
			splitter.push(bytes.subarray(middle), sink);
			for (let round = 0; splitter.isStopped && round < 10; round++)
				splitter.resume(sink);
		} finally {
			splitter.reset();
		}
	}
}

function sendOn(publish: Publish): void {
	if (publish.topic === "") publish.topic = "resolved";
	const owned = ownedCopy(publish);
	const fanout = new Fanout(publish);
	for (const family of [3, 5] as const) {
		fanout.layout(family, false);
		fanout.layout(family, true);
	}
	const again = Publish.fromMessage(owned);
	if (
		again.topic !== publish.topic ||
		again.payloadLength !== publish.payloadLength
	)
		throw new Error("what was accepted is not what is sent on");
}

/**
 * @param count frames at most
 * @param seconds at most
 * @param collect a full garbage collection, when the runtime offers one
 */
export function runFrames(
	count: number,
	seconds: number,
	seed: number,
	collect: (() => void) | null,
): FuzzReport {
	const run = new FuzzRun(seed);
	const measure = () => {
		if (collect === null) return 0;
		collect();
		collect();
		return process.memoryUsage().heapUsed;
	};
	const warmUp = Math.min(20_000, count / 5);
	for (let frame = 0; frame < warmUp; frame++) run.step();
	const heapBefore = measure();
	const endMs = performance.now() + seconds * 1000;
	while (
		run.frames < count &&
		(run.frames % 1024 !== 0 || performance.now() < endMs)
	)
		run.step();
	const { frames, accepted, refused } = run;
	return { frames, accepted, refused, heapBefore, heapAfter: measure() };
}
