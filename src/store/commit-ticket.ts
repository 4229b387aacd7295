/**
 * Somebody who waits until store operations are on disk: the acknowledgement of a
 * PUBLISH owed to three persistent sessions waits for three of them.
 *
 * The owner holds once itself while it is still adding operations, then settles:
 *
 *     ticket.hold();                      // mine
 *     store.enqueue(..., ticket);         // the store holds for each operation
 *     ticket.settle();                    // mine: runs onDurable() at once when nothing is owed
 */
export abstract class CommitTicket {
	#pending = 0;
	#holds = 0;

	/** Nobody but its owner has held it since {@link renew}: nobody else knows of it. */
	get isUnshared(): boolean {
		return this.#holds === 1;
	}

	/** To be used again for something else, when nobody else knows of it. */
	protected renew(): void {
		this.#pending = 0;
		this.#holds = 0;
	}

	get isPending(): boolean {
		return this.#pending > 0;
	}

	hold(): void {
		this.#pending++;
		this.#holds++;
	}

	settle(): void {
		if (--this.#pending === 0) this.onDurable();
	}

	/** Runs once, synchronously, when the last hold is settled. */
	protected abstract onDurable(): void;
}
