import type { ByteBudget } from "../platform/byte-budget.ts";
import type { QoS } from "../protocol/constants.ts";
import type { ApplicationMessage } from "../protocol/messages.ts";

/** What one message costs in memory beyond its topic, properties and payload, in bytes. */
const OVERHEAD_BYTES = 160;

/**
 * An application message that we keep: its bytes are its own, shared by all queues
 * that hold it, and charged to a budget while anybody holds it.
 */
export class StoredMessage implements ApplicationMessage {
	readonly topic: string;
	readonly qos: QoS;
	readonly retain: boolean;
	readonly payload: Buffer;
	readonly properties: Buffer;
	readonly expirySeconds: number;
	/** Monotonic time at which the message expires; Infinity when never. */
	readonly expiresAtMs: number;
	/** Bytes charged for this message. */
	readonly size: number;
	readonly #budget: ByteBudget;
	#references = 0;

	/** @param source its payload and properties must be owned by the caller, who gives them away */
	constructor(
		source: ApplicationMessage,
		expiresAtMs: number,
		budget: ByteBudget,
	) {
		this.topic = source.topic;
		this.qos = source.qos;
		this.retain = source.retain;
		this.payload = source.payload;
		this.properties = source.properties;
		this.expirySeconds = source.expirySeconds;
		this.expiresAtMs = expiresAtMs;
		this.#budget = budget;
		this.size =
			OVERHEAD_BYTES +
			this.topic.length +
			this.payload.length +
			this.properties.length;
	}

	/** Takes a share; the first one charges the budget. */
	take(): this {
		if (this.#references++ === 0) this.#budget.charge(this.size);
		return this;
	}

	/** Gives a share back; the last one releases the budget. */
	release(): void {
		if (--this.#references === 0) this.#budget.release(this.size);
	}
}
