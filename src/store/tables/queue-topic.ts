import type { Database, Statement } from "better-sqlite3";
import { DeliveryPhase } from "../store.ts";
import { RANGE, SEQUENCE } from "./queue-id.ts";

/**
 * The table `queue_topic`: where the messages of a topic are in a lane by topic. A table
 * and not an index of `queue`: other queues pay nothing for it, and a file of an earlier
 * version needs no pass over all its rows. Worker thread only.
 */
export class QueueTopicTable {
	readonly #put: Statement;
	readonly #removeRange: Statement;
	readonly #clear: Statement;
	readonly #waiting: Statement<[number, string], number>;

	constructor(database: Database) {
		this.#put = database.prepare(
			"INSERT INTO queue_topic (queue, topic, sequence) VALUES (?, ?, ?)",
		);
		this.#removeRange = database.prepare(
			`DELETE FROM queue_topic WHERE (queue, topic, sequence) IN
				(SELECT ?, topic, ${SEQUENCE} FROM queue WHERE ${RANGE})`,
		);
		this.#clear = database.prepare("DELETE FROM queue_topic WHERE queue = ?");
		this.#waiting = database
			.prepare<[number, string], number>(
				`SELECT found.sequence FROM queue_topic AS found
				JOIN queue ON queue.id = found.queue << 37 | found.sequence
				WHERE found.queue = ? AND found.topic = ?
					AND queue.phase = ${DeliveryPhase.Queued}`,
			)
			.pluck() as Statement<[number, string], number>;
	}

	put(queue: number, topic: string, sequence: number): void {
		this.#put.run(queue, topic, sequence);
	}

	/** Before the rows themselves go: they hold the topics. */
	removeRange(queue: number, from: number, to: number): void {
		this.#removeRange.run(queue, queue, from, queue, to);
	}

	clear(queue: number): void {
		this.#clear.run(queue);
	}

	/** Sequences of a topic that were not sent. */
	waiting(queue: number, topic: string): number[] {
		return this.#waiting.all(queue, topic);
	}
}
