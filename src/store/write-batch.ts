import { writeOperation } from "./batch-codec.ts";
import { ByteWriter } from "./byte-writer.ts";
import type { CommitTicket } from "./commit-ticket.ts";
import { BodyPlace, type Operation, OperationKind } from "./operation.ts";
import { QueuePart } from "./store.ts";
import { bodyLength } from "./stored-message.ts";
import type { AnyRequest } from "./worker-link.ts";

/**
 * The writes that share one transaction. Collects objects; nothing is encoded, and
 * nothing decided about shared bodies, before the batch leaves. From then on it holds
 * nothing but the tickets. Main thread only.
 */

/** What an operation costs in memory beyond the bytes it carries. */
const OPERATION_BYTES = 200;

export class WriteBatch {
	/** How many writes it is. */
	count = 0;
	/** Bytes held by the operations, as far as they are counted. */
	bytes = 0;
	#operations: Operation[] = [];
	#tickets: CommitTicket[] = [];
	#isSorted = true;
	/** The last removal of each queue, for {@link extendRemoval}. */
	readonly #removals = new Map<number, Operation>();

	get isEmpty(): boolean {
		return this.count === 0;
	}

	/** It is written in its order, however late it is added. */
	add(operation: Operation): void {
		const last = this.#operations.at(-1);
		if (last !== undefined && last.order > operation.order)
			this.#isSorted = false;
		this.#operations.push(operation);
		this.count++;
		this.bytes += operation.bytes;
		const { kind, key } = operation;
		if (kind === OperationKind.Dequeue) this.#removals.set(key, operation);
		else if (endsQueue(kind)) this.#removals.delete(key);
	}

	/**
	 * Adds a removal to the one before it, when that is the next one of its queue: most
	 * acknowledgements come in order. Where it stands in the batch does not matter, as rows
	 * are removed at its end.
	 * @returns false when it needs an operation of its own
	 */
	extendRemoval(key: number, sequence: number): boolean {
		const last = this.#removals.get(key);
		if (last === undefined) return false;
		if (last.sequence + last.number + 1 !== sequence) return false;
		last.number++;
		this.count++;
		return true;
	}

	/**
	 * Whether a read would find something else when this batch is written first. A page of a
	 * queue begins behind what has been delivered: its removals may wait, or a client that
	 * is served from the disk would pay a commit for each page.
	 */
	concerns(request: AnyRequest): boolean {
		if (request.type === "barrier") return false; // what may wait, waits on
		if (request.type !== "queue") return true;
		const { key, part, after } = request;
		const seenAbove = part === QueuePart.Newest ? -1 : after;
		return this.#operations.some(
			(operation) =>
				operation.key === key &&
				(operation.kind !== OperationKind.Dequeue ||
					operation.sequence + operation.number > seenAbove),
		);
	}

	/** Once, as it leaves. @param memory of an earlier batch, to write into; null for new memory */
	encode(memory: ArrayBuffer | null): ByteWriter {
		if (!this.#isSorted) this.#operations.sort((a, b) => a.order - b.order);
		this.#isSorted = true;
		this.#placeBodies();
		const writer = new ByteWriter(memory);
		for (const operation of this.#operations) {
			writeOperation(writer, operation);
			if (operation.ticket !== null) this.#tickets.push(operation.ticket);
		}
		this.#operations = [];
		this.#removals.clear();
		return writer;
	}

	/** It is committed: settles the tickets in the order in which the operations were put. */
	settle(): void {
		for (const ticket of this.#tickets) ticket.settle();
	}

	/** A message given to several queues in a row gets one body for all of them. */
	#placeBodies(): void {
		let last: Operation | null = null;
		for (const operation of this.#operations) {
			if (operation.kind !== OperationKind.Enqueue) continue;
			if (last !== null && last.message === operation.message) {
				if (last.place === BodyPlace.Inline)
					last.place = BodyPlace.FirstOfShared;
				operation.place = BodyPlace.NextOfShared;
			}
			last = operation;
		}
	}
}

/** The number may be another queue's from then on. */
function endsQueue(kind: OperationKind): boolean {
	return (
		kind === OperationKind.DeleteSession || kind === OperationKind.DeleteLane
	);
}

/** @param withMessage false for a message that the operation before it carries too */
export function operationBytes(
	operation: Operation,
	withMessage: boolean,
): number {
	const { message, text, value } = operation;
	let bytes = OPERATION_BYTES + (text?.length ?? 0) + (value?.length ?? 0);
	if (message !== null && withMessage)
		bytes += message.topic.length + bodyLength(message);
	return bytes;
}
