/**
 * Reads a session's queue from the store, a page at a time, into the head in memory.
 * Belongs to one {@link Outbound}; an answer that finds another one is ignored.
 */
import { type QueuePage, QueuePart } from "../store/store.ts";
import type { Outbound } from "./outbound.ts";
import { restoreEntry } from "./queue-rows.ts";
import type { Session } from "./session.ts";

export class QueueReader {
	readonly #session: Session;
	readonly #outbound: Outbound;
	readonly #newestFirst: boolean;
	/** What an earlier connection had in flight has been read. */
	#isResentLoaded: boolean;
	#resentCursor = -1;

	constructor(session: Session, outbound: Outbound, newestFirst: boolean) {
		this.#session = session;
		this.#outbound = outbound;
		this.#newestFirst = newestFirst;
		// Later on, rows that were sent are in flight on this very connection.
		this.#isResentLoaded = session.queuedMessages === 0;
	}

	/** First what was in flight, then what waits: ids of the former are not free before. */
	load(): void {
		const { queue, inflight } = this.#outbound;
		const { context, key, lastSequence } = this.#session;
		const part = this.#nextPart();
		const isNewest = part === QueuePart.Newest;
		// What is in memory is the newest too: a page without room for more would bring nothing.
		const known = isNewest
			? [...inflight.entries(), ...queue.entries()].map((each) => each.message)
			: [];
		const knownBytes = known.reduce((sum, each) => sum + each.size, 0);
		const after = part === QueuePart.Sent ? this.#resentCursor : queue.cursor;
		queue.isLoading = true;
		context.store
			.readQueue(
				key,
				isNewest ? -1 : after,
				queue.pageMessages + known.length,
				queue.pageBytes + knownBytes,
				part,
			)
			.then(
				(page) => this.#onPage(page, part, lastSequence),
				(error) => {
					queue.isLoading = false;
					context.log.store.error(`cannot read a queue: ${error}`);
				},
			);
	}

	#nextPart(): QueuePart {
		if (!this.#isResentLoaded) return QueuePart.Sent;
		return this.#newestFirst ? QueuePart.Newest : QueuePart.Waiting;
	}

	#onPage(page: QueuePage, part: QueuePart, lastSequenceThen: number): void {
		const session = this.#session;
		const { queue } = this.#outbound;
		if (session.outbound !== this.#outbound) return;
		queue.isLoading = false;
		if (part === QueuePart.Sent) {
			for (const queued of page.messages) {
				this.#resentCursor = queued.sequence;
				queue.pushResent(restoreEntry(session, queued));
			}
			this.#isResentLoaded = page.isLast;
		} else {
			const isNewest = part === QueuePart.Newest;
			const messages = isNewest
				? page.messages
						.toReversed()
						.filter((each) => !isKnown(this.#outbound, each.sequence))
				: page.messages;
			for (const queued of messages) queue.push(restoreEntry(session, queued));
			const isComplete = session.lastSequence === lastSequenceThen;
			if (page.isLast && isComplete) queue.isSpilled = false;
		}
		this.#outbound.pump();
	}
}

/** A row that is in memory already. */
export function isKnown(
	{ queue, inflight }: Outbound,
	sequence: number,
): boolean {
	if (queue.holds(sequence)) return true;
	for (const entry of inflight.entries()) {
		if (entry.sequence === sequence) return true;
	}
	return false;
}
