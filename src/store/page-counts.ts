/**
 * Pages of the database (4 KiB) written, by what they were written for. Pages and not
 * bytes of messages are what wears a flash card: a commit of one small row writes one or
 * two whole ones. Pure.
 */

import { type Operation, OperationKind } from "./operation.ts";

export const pageCauses = [
	/** Messages in queues of sessions: entries, their state, their removal. */
	"queues",
	"retained",
	/** Sessions, subscriptions, received QoS 2 packet ids. */
	"sessions",
	/** Values of extensions. */
	"other",
	/** The log's pages, copied into the database. */
	"checkpoints",
] as const;
export type PageCause = (typeof pageCauses)[number];
export type PageCounts = Record<PageCause, number>;

export function noPages(): PageCounts {
	return { queues: 0, retained: 0, sessions: 0, other: 0, checkpoints: 0 };
}

export function causeOf({ kind }: Operation): PageCause {
	switch (kind) {
		case OperationKind.Enqueue:
		case OperationKind.Replace:
		case OperationKind.MarkSent:
		case OperationKind.MarkReleased:
		case OperationKind.Dequeue:
			return "queues";
		case OperationKind.PutRetained:
		case OperationKind.DeleteRetained:
			return "retained";
		case OperationKind.PutValue:
			return "other";
		default:
			return "sessions";
	}
}

/** What the operations of a batch weigh, to share out the pages that it dirtied. */
export class PageShares {
	#weights = noPages();
	#sum = 0;

	clear(): void {
		this.#weights = noPages();
		this.#sum = 0;
	}

	/** A row lies in one page, a long one in several. */
	add(operation: Operation): void {
		const { kind, message, value, number } = operation;
		const bytes = (message?.payload.length ?? 0) + (value?.length ?? 0);
		const rows = kind === OperationKind.Dequeue ? 1 + number : 1;
		const weight = rows + bytes / 4096;
		this.#weights[causeOf(operation)] += weight;
		this.#sum += weight;
	}

	/**
	 * Adds a batch's pages to `counts`: in proportion to the weights, which is exact for a
	 * batch with one cause.
	 */
	share(pages: number, counts: PageCounts): void {
		if (this.#sum === 0) return;
		for (const cause of pageCauses)
			counts[cause] += (pages * this.#weights[cause]) / this.#sum;
	}
}
