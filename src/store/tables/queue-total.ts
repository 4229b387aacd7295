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

const EMPTY: QueueTotal = {
	queuedMessages: 0,
	queuedBytes: 0,
	lastSequence: 0,
};

export class QueueTotalTable {
	readonly #changes = new Map<number, QueueTotal>();
	readonly #add: Statement;
	readonly #delete: Statement;
	readonly #get: Statement<[number], QueueTotal>;

	constructor(database: Database) {
		this.#add = database.prepare(
			`INSERT INTO queue_total (queue, messages, bytes, last_sequence) VALUES (?, ?, ?, ?)
			ON CONFLICT (queue) DO UPDATE SET
				messages = messages + excluded.messages,
				bytes = bytes + excluded.bytes,
				last_sequence = max(last_sequence, excluded.last_sequence)`,
		);
		this.#delete = database.prepare("DELETE FROM queue_total WHERE queue = ?");
		this.#get = database.prepare(
			`SELECT messages AS queuedMessages, bytes AS queuedBytes,
				last_sequence AS lastSequence
			FROM queue_total WHERE queue = ?`,
		);
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

	get(queue: number): QueueTotal {
		return this.#get.get(queue) ?? EMPTY;
	}
}
