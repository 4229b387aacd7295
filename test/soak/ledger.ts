/**
 * What was sent and what has to arrive. Every message carries publisher, topic,
 * QoS and a sequence number counted per (publisher, topic, QoS) stream, so loss,
 * repetition and order are known exactly from numbers alone.
 */
import type { Qos } from "./wire-client.ts";

export interface SoakMessage {
	/** One publisher's messages on one topic at one QoS. */
	stream: string;
	qos: Qos;
	sequence: number;
}

/** Messages sent per stream: publishers keep sending until acknowledged. */
export class SentLedger {
	readonly #counts = new Map<string, number>();
	total = 0;

	/** Numbers the next message of a stream and returns its payload. */
	next(publisher: string, topic: string, qos: Qos): string {
		const stream = `${publisher}|${topic}|${qos}`;
		const sequence = (this.#counts.get(stream) ?? 0) + 1;
		this.#counts.set(stream, sequence);
		this.total++;
		return `${stream}|${sequence}`;
	}

	/** Streams of a QoS whose topic passes the test, with their last number. */
	*streams(
		qos: Qos,
		matches: (topic: string) => boolean,
	): Generator<[stream: string, count: number]> {
		for (const [stream, count] of this.#counts) {
			const [, topic = "", level] = stream.split("|");
			if (Number(level) === qos && matches(topic)) yield [stream, count];
		}
	}
}

/** Undefined for payloads of other kinds, such as wills. */
export function parseMessage(payload: string): SoakMessage | undefined {
	const parts = payload.split("|");
	if (parts.length !== 4) return undefined;
	const [publisher, topic, qos, sequence] = parts;
	return {
		stream: `${publisher}|${topic}|${qos}`,
		qos: Number(qos) as Qos,
		sequence: Number(sequence),
	};
}

/**
 * What one receiver got (a subscriber, or all members of a shared group). Per
 * stream only the highest number and the gaps below it are kept.
 */
export class ReceivedLedger {
	readonly name: string;
	readonly #ordered: boolean;
	readonly #matches: (topic: string) => boolean;
	readonly #streams = new Map<string, { last: number; missing: Set<number> }>();
	readonly violations: string[] = [];
	received = 0;

	constructor(
		name: string,
		ordered: boolean,
		matches: (topic: string) => boolean,
	) {
		this.name = name;
		this.#ordered = ordered;
		this.#matches = matches;
	}

	record({ stream, qos, sequence }: SoakMessage): void {
		this.received++;
		let seen = this.#streams.get(stream);
		if (seen === undefined) {
			seen = { last: 0, missing: new Set() };
			this.#streams.set(stream, seen);
		}
		if (sequence > seen.last) {
			// QoS 0 may be lost, so its gaps are not worth remembering.
			for (let gap = seen.last + 1; qos > 0 && gap < sequence; gap++) {
				seen.missing.add(gap);
			}
			seen.last = sequence;
			return;
		}
		if (seen.missing.delete(sequence)) {
			if (this.#ordered) this.#violation(`${stream} ${sequence} came late`);
		} else if (qos === 2) {
			this.#violation(`${stream} ${sequence} came twice`);
		} else if (qos === 0 && this.#ordered) {
			this.#violation(`${stream} ${sequence} came late or twice`);
		}
	}

	/** Messages of QoS 1 and 2 that have not arrived. */
	missing(sent: SentLedger): string[] {
		const lost: string[] = [];
		for (const qos of [1, 2] as const) {
			for (const [stream, count] of sent.streams(qos, this.#matches)) {
				const seen = this.#streams.get(stream);
				for (const gap of seen?.missing ?? []) lost.push(`${stream} ${gap}`);
				for (let at = (seen?.last ?? 0) + 1; at <= count; at++) {
					lost.push(`${stream} ${at}`);
				}
			}
		}
		return lost;
	}

	#violation(what: string): void {
		this.violations.push(`${this.name}: ${what}`);
	}
}
