/** Wills of sessions: when one is due, and that it is published once. */
import type { WillMessage } from "../protocol/messages.ts";
import type { Session } from "./session.ts";
import type { SessionContext } from "./session-context.ts";

export class SessionWills {
	readonly #context: SessionContext;
	readonly #publish: (session: Session, will: WillMessage) => void;

	constructor(
		context: SessionContext,
		publish: (session: Session, will: WillMessage) => void,
	) {
		this.#context = context;
		this.#publish = publish;
	}

	/** From the end of the connection; Infinity without a will. */
	delayMs({ will }: Session): number {
		if (will === null) return Number.POSITIVE_INFINITY;
		return Math.min(
			will.delaySeconds * 1000,
			this.#context.settings.max_last_will_delay,
		);
	}

	/** Publishes the will, if there is one. */
	fire(session: Session): void {
		const { will } = session;
		if (will === null) return;
		session.will = null; // [MQTT-3.1.2-10]
		try {
			this.#publish(session, will);
		} catch (error) {
			this.#context.log.system.error("a will could not be published", {
				client: session.clientId,
				topic: will.topic,
				error: error instanceof Error ? error : String(error),
			});
		}
	}
}
