/**
 * One PUBLISH on its way to its subscribers. Lives for one call of the router; what
 * is kept beyond that is the {@link StoredMessage} it makes on demand.
 */
import { Fanout } from "../protocol/fanout.ts";
import type { Publish } from "../protocol/publish.ts";
import type { CommitTicket } from "../store/commit-ticket.ts";
import { StoredMessage } from "../store/stored-message.ts";
import type { Outlet } from "./outlet.ts";
import type { SessionContext } from "./session-context.ts";

export class Delivery extends Fanout {
	/** Who published, for No Local; null for the broker itself. */
	readonly publisherId: string | null;
	/** Settled when everything that this message owes is on disk; null when nobody waits. */
	readonly ticket: CommitTicket | null;
	/** A subscriber that cannot keep up: its publishers pause for a moment. */
	slowOutlet: Outlet | null = null;
	/** A queue was full and its session's publishers want to know (`queue_overflow = reject`). */
	isRejected = false;
	readonly #context: SessionContext;
	#stored: StoredMessage | null = null;

	constructor(
		publish: Publish,
		publisherId: string | null,
		ticket: CommitTicket | null,
		context: SessionContext,
	) {
		super(publish);
		this.publisherId = publisherId;
		this.ticket = ticket;
		this.#context = context;
	}

	/** The message with bytes of its own, made once however many queues keep it. */
	stored(): StoredMessage {
		if (this.#stored === null) {
			const { clock, messageBudget } = this.#context;
			const owned = this.publish.toOwned();
			const expiresAtMs =
				owned.expirySeconds < 0
					? Number.POSITIVE_INFINITY
					: clock.monotonicMs() + owned.expirySeconds * 1000;
			this.#stored = new StoredMessage(owned, expiresAtMs, messageBudget);
		}
		return this.#stored;
	}
}
