/**
 * Retained messages live in the store; this decides when one is set, replaced or
 * cleared, and how firmly it has to be written.
 */
import type { Delivery } from "../session/delivery.ts";
import type { SessionContext } from "../session/session-context.ts";

export class RetainedMessages {
	readonly #context: SessionContext;

	constructor(context: SessionContext) {
		this.#context = context;
	}

	/**
	 * Applies a PUBLISH whose RETAIN flag is set. QoS 0 has no promise to keep, so it may
	 * be written late and be overtaken by the next one: that is what spares flash cards.
	 */
	apply(delivery: Delivery): void {
		const { publish, ticket } = delivery;
		const { store, clock } = this.#context;
		const isLazy = publish.qos === 0;
		if (publish.payloadLength === 0) {
			store.deleteRetained(publish.topic, isLazy, ticket); // [MQTT-3.3.1-6] [MQTT-3.3.1-7]
			return;
		}
		const expiresAtWallMs =
			publish.expirySeconds < 0
				? 0
				: clock.wallMs() + publish.expirySeconds * 1000;
		store.putRetained(delivery.stored(), expiresAtWallMs, isLazy, ticket); // [MQTT-3.3.1-5] [v3.1.1 MQTT-3.3.1-7]
	}
}
