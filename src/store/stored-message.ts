import type { ByteBudget } from "../platform/byte-budget.ts";
import type { QoS } from "../protocol/constants.ts";
import { keptBytes, reserveKept } from "../protocol/kept-bytes.ts";
import type { ApplicationMessage } from "../protocol/messages.ts";
import type { Publish } from "../protocol/publish.ts";

/** What one message costs in memory beyond its topic, properties and payload, in bytes. */
const OVERHEAD_BYTES = 160;
const NOTHING = Buffer.alloc(0);

/**
 * An application message that we keep: its bytes are its own, shared by all queues
 * that hold it, and charged to a budget while anybody holds it.
 *
 * It knows where its bytes are and makes a view of them only when somebody asks: most
 * messages with QoS 1 are acknowledged before anybody has.
 */
export class StoredMessage implements ApplicationMessage {
	readonly topic: string;
	readonly qos: QoS;
	readonly retain: boolean;
	readonly expirySeconds: number;
	/** Monotonic time at which the message expires; Infinity when never. */
	readonly expiresAtMs: number;
	readonly propertiesLength: number;
	readonly payloadLength: number;
	readonly #budget: ByteBudget;
	/** The properties, with the payload behind them unless that has `#payload` to itself. */
	readonly #bytes: Buffer;
	readonly #start: number;
	readonly #payload: Buffer | null;
	#references = 0;

	private constructor(
		source: ApplicationMessage | Publish,
		expiresAtMs: number,
		budget: ByteBudget,
		bytes: Buffer,
		start: number,
		payload: Buffer | null,
		propertiesLength: number,
		payloadLength: number,
	) {
		this.topic = source.topic;
		this.qos = source.qos;
		this.retain = source.retain;
		this.expirySeconds = source.expirySeconds;
		this.expiresAtMs = expiresAtMs;
		this.propertiesLength = propertiesLength;
		this.payloadLength = payloadLength;
		this.#budget = budget;
		this.#bytes = bytes;
		this.#start = start;
		this.#payload = payload;
	}

	/** Copies what goes on with a message that passes through. */
	static keep(
		publish: Publish,
		expiresAtMs: number,
		budget: ByteBudget,
	): StoredMessage {
		const { forwardableLength, payloadLength } = publish;
		const start = reserveKept(forwardableLength + payloadLength);
		const bytes = keptBytes;
		if (forwardableLength > 0) publish.writeForwardable(bytes, start);
		publish.writePayload(bytes, start + forwardableLength);
		return new StoredMessage(
			publish,
			expiresAtMs,
			budget,
			bytes,
			start,
			null,
			forwardableLength,
			payloadLength,
		);
	}

	/** @param source its payload and properties must be owned by the caller, who gives them away */
	static adopt(
		source: ApplicationMessage,
		expiresAtMs: number,
		budget: ByteBudget,
	): StoredMessage {
		const { properties, payload } = source;
		return new StoredMessage(
			source,
			expiresAtMs,
			budget,
			properties,
			0,
			payload,
			properties.length,
			payload.length,
		);
	}

	/** A view, made anew each time. */
	get payload(): Buffer {
		if (this.#payload !== null) return this.#payload;
		const start = this.#start + this.propertiesLength;
		return this.#bytes.subarray(start, start + this.payloadLength);
	}

	/** A view, made anew each time. */
	get properties(): Buffer {
		const length = this.propertiesLength;
		if (length === 0) return NOTHING;
		return this.#bytes.subarray(this.#start, this.#start + length);
	}

	/** Properties and payload, in bytes. */
	get bodyLength(): number {
		return this.propertiesLength + this.payloadLength;
	}

	/** Bytes charged for this message. */
	get size(): number {
		return OVERHEAD_BYTES + this.topic.length + this.bodyLength;
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

/** Properties and payload of any message, in bytes, without a view of them. */
export function bodyLength(message: ApplicationMessage): number {
	return message instanceof StoredMessage
		? message.bodyLength
		: message.properties.length + message.payload.length;
}
