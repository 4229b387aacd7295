/**
 * One PUBLISH on its way to its subscribers. Lives for one call of the router; what
 * is kept beyond that is the {@link StoredMessage} it makes on demand.
 */
import { Fanout } from "../protocol/fanout.ts";
import type { Layout } from "../protocol/layout.ts";
import type { Family } from "../protocol/messages.ts";
import type { Publish } from "../protocol/publish.ts";
import type { CommitTicket } from "../store/commit-ticket.ts";
import { StoredMessage } from "../store/stored-message.ts";
import type { Outlet } from "./outlet.ts";
import type { SessionContext } from "./session-context.ts";

export class Delivery {
	readonly publish: Publish;
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
	/** Made for the first subscriber that needs other bytes than those that came in. */
	#fanout: Fanout | null = null;

	constructor(
		publish: Publish,
		publisherId: string | null,
		ticket: CommitTicket | null,
		context: SessionContext,
	) {
		this.publish = publish;
		this.publisherId = publisherId;
		this.ticket = ticket;
		this.#context = context;
	}

	/**
	 * The frame for one kind of receiver, as {@link Fanout.layout}.
	 * @throws ProtocolError PacketTooLarge when it would be longer than MQTT can express
	 */
	layout(family: Family, withPacketId: boolean): Layout {
		const { publish } = this;
		if (publish.passesThrough(family, withPacketId)) return publish;
		this.#fanout ??= new Fanout(publish);
		return this.#fanout.layout(family, withPacketId);
	}

	/** The message with bytes of its own, made once however many queues keep it. */
	stored(): StoredMessage {
		if (this.#stored === null) {
			const { clock, messageBudget } = this.#context;
			const { publish } = this;
			const expiresAtMs =
				publish.expirySeconds < 0
					? Number.POSITIVE_INFINITY
					: clock.monotonicMs() + publish.expirySeconds * 1000;
			this.#stored = StoredMessage.keep(publish, expiresAtMs, messageBudget);
		}
		return this.#stored;
	}
}
