import type { Database, Statement } from "better-sqlite3";

/**
 * The table `queue_total`: how much each queue holds, so that a start never scans one.
 * Changes are summed up over a batch and written once for each queue. Worker thread only.
 */

export interface QueueTotal {
	queuedMessages: number;
	queuedBytes: number;
	lastSequence: number;
}

export const NO_TOTAL: QueueTotal = {
	queuedMessages: 0,
	queuedBytes: 0,
	lastSequence: 0,
};

type Row = [queue: number, messages: number, bytes: number, last: number];

export class QueueTotalTable {
	readonly #changes = new Map<number, QueueTotal>();
	readonly #add: Statement;
	readonly #delete: Statement;
	readonly #ofQueues: Statement<[number, number], Row>;

	constructor(database: Database) {
		this.#add = database.prepare(
			`INSERT INTO queue_total (queue, messages, bytes, last_sequence) VALUES (?, ?, ?, ?)
			ON CONFLICT (queue) DO UPDATE SET
				messages = messages + excluded.messages,
				bytes = bytes + excluded.bytes,
				last_sequence = max(last_sequence, excluded.last_sequence)`,
		);
		this.#delete = database.prepare("DELETE FROM queue_total WHERE queue = ?");
		this.#ofQueues = database
			.prepare<[number, number], Row>(
				`SELECT queue, messages, bytes, last_sequence
				FROM queue_total WHERE queue BETWEEN ? AND ?`,
			)
			.raw() as Statement<[number, number], Row>;
	}

	begin(): void {
		this.#changes.clear();
	}

	/** @param sequence 0 for a removal */
	change(
		queue: number,
		messages: number,
		bytes: number,
		sequence: number,
	): void {
		const total = this.#changes.get(queue);
		if (total === undefined) {
			this.#changes.set(queue, {
				queuedMessages: messages,
				queuedBytes: bytes,
				lastSequence: sequence,
			});
			return;
		}
		total.queuedMessages += messages;
		total.queuedBytes += bytes;
		if (sequence > total.lastSequence) total.lastSequence = sequence;
	}

	delete(queue: number): void {
		this.#changes.delete(queue);
		this.#delete.run(queue);
	}

	finish(): void {
		for (const [queue, total] of this.#changes)
			this.#add.run(
				queue,
				total.queuedMessages,
				total.queuedBytes,
				total.lastSequence,
			);
	}

	of(queue: number): QueueTotal {
		return this.ofQueues(queue, queue).get(queue) ?? NO_TOTAL;
	}

	/** By queue; those that never held anything are not in it. */
	ofQueues(from: number, to: number): Map<number, QueueTotal> {
		const found = new Map<number, QueueTotal>();
		for (const row of this.#ofQueues.iterate(from, to)) {
			const [queue, queuedMessages, queuedBytes, lastSequence] = row;
			found.set(queue, { queuedMessages, queuedBytes, lastSequence });
		}
		return found;
	}
}
