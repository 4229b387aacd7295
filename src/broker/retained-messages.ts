/**
 * Retained messages live in the store; this decides when one is set, replaced or
 * cleared, how firmly it has to be written, and when there are too many.
 *
 * Which topics are retained only the store knows. While there is room nobody asks.
 * Once there may be none, each message waits for a look-up of its topic (several at a
 * time, in order): a topic that exists is replaced, a new one is refused.
 */
import type { ApplicationMessage } from "../protocol/messages.ts";
import { ReasonCode } from "../protocol/reason-codes.ts";
import type { Delivery } from "../session/delivery.ts";
import { RefusableTicket } from "../session/refusable-ticket.ts";
import type { SessionContext } from "../session/session-context.ts";
import type { CommitTicket } from "../store/commit-ticket.ts";
import { bodyLength, type StoredMessage } from "../store/stored-message.ts";

/** Messages whose topics are looked up at once. */
const LOOK_UPS = 100;
/** Messages that wait for a look-up at most; QoS 0 has no other bound. */
const MAX_WAITING = 5000;

interface Change {
	readonly topic: string;
	/** Null clears the topic. Holds a share. */
	readonly message: StoredMessage | null;
	readonly expiresAtWallMs: number;
	readonly isLazy: boolean;
	readonly ticket: CommitTicket | null;
}

export class RetainedMessages {
	readonly #context: SessionContext;
	/** Messages that may be new topics and are not in the store's count yet, and their bytes. */
	#uncounted = 0;
	#uncountedBytes = 0;
	#waiting: Change[] = [];
	/** Topics that wait: what comes later for one of them waits as well. */
	readonly #waitingTopics = new Map<string, number>();
	#isLookingUp = false;

	constructor(context: SessionContext) {
		this.#context = context;
	}

	/**
	 * Applies a PUBLISH whose RETAIN flag is set. QoS 0 has no promise to keep, so it may
	 * be written late and be overtaken by the next one: that is what spares flash cards.
	 */
	apply(delivery: Delivery): void {
		const { publish, ticket } = delivery;
		const { clock } = this.#context;
		const { topic } = publish;
		const isClearing = publish.payloadLength === 0; // [MQTT-3.3.1-6] [MQTT-3.3.1-7]
		const change: Change = {
			topic,
			message: isClearing ? null : delivery.stored(),
			expiresAtWallMs:
				publish.expirySeconds < 0
					? 0
					: clock.wallMs() + publish.expirySeconds * 1000,
			isLazy: publish.qos === 0,
			ticket,
		};
		const mustWait =
			this.#waitingTopics.has(topic) || (!isClearing && !this.#hasRoom(change));
		if (!mustWait) this.#write(change, change.isLazy);
		else this.#wait(change);
	}

	#hasRoom({ message }: Change): boolean {
		const { settings, store } = this.#context;
		const { counters } = store;
		const { pendingBytes, repeatedBytes, batchesInFlight } = counters;
		if (pendingBytes === repeatedBytes && batchesInFlight === 0) {
			this.#uncounted = 0;
			this.#uncountedBytes = 0;
		}
		const bytes = message === null ? 0 : sizeOf(message);
		return (
			counters.retainedMessages + this.#uncounted <
				settings.max_retained_messages &&
			counters.retainedBytes + this.#uncountedBytes + bytes <=
				settings.max_retained_bytes
		);
	}

	#write(change: Change, isLazy: boolean): void {
		const { store } = this.#context;
		const { topic, message, expiresAtWallMs, ticket } = change;
		if (message === null) {
			store.deleteRetained(topic, isLazy, ticket);
			return;
		}
		this.#uncounted++;
		this.#uncountedBytes += sizeOf(message);
		store.putRetained(message, expiresAtWallMs, isLazy, ticket); // [MQTT-3.3.1-5] [v3.1.1 MQTT-3.3.1-7]
	}

	#wait(change: Change): void {
		if (this.#waiting.length >= MAX_WAITING) {
			this.#refuse(change);
			return;
		}
		const { topic, message, ticket } = change;
		message?.take();
		ticket?.hold();
		this.#waitingTopics.set(topic, (this.#waitingTopics.get(topic) ?? 0) + 1);
		this.#waiting.push(change);
		if (!this.#isLookingUp) void this.#lookUp();
	}

	async #lookUp(): Promise<void> {
		this.#isLookingUp = true;
		while (this.#waiting.length > 0) {
			const round = this.#waiting.slice(0, LOOK_UPS);
			const sizes = await this.#sizesOf(round);
			this.#waiting = this.#waiting.slice(round.length);
			const known = new Round(this.#context, sizes);
			for (const change of round) {
				if (known.admit(change)) {
					// What is new is written at once: the count must not lag behind.
					this.#write(change, change.isLazy && sizes.has(change.topic));
				} else {
					this.#refuse(change);
				}
				this.#leave(change);
			}
		}
		this.#isLookingUp = false;
	}

	/** The bytes that each topic has in the store; nothing for one that is not retained. */
	async #sizesOf(round: readonly Change[]): Promise<Map<string, number>> {
		const { store, log } = this.#context;
		const sizes = new Map<string, number>();
		const topics = new Set(round.map(({ topic }) => topic));
		const lookUps = [...topics].map(async (topic) => {
			const scan = store.scanRetained(topic, null);
			const [found] = await scan.next(1, 1);
			scan.close();
			if (found?.message.topic === topic) {
				sizes.set(topic, sizeOf(found.message));
			}
		});
		for (const result of await Promise.allSettled(lookUps)) {
			if (result.status === "fulfilled") continue;
			log.store.error(`cannot read retained messages: ${result.reason}`);
		}
		return sizes;
	}

	#leave({ topic, message, ticket }: Change): void {
		const left = (this.#waitingTopics.get(topic) ?? 1) - 1;
		if (left === 0) this.#waitingTopics.delete(topic);
		else this.#waitingTopics.set(topic, left);
		ticket?.settle();
		message?.release();
	}

	#refuse({ topic, ticket }: Change): void {
		const { counters, log, logLimit, settings, store } = this.#context;
		counters.refusedRetained++;
		if (ticket instanceof RefusableTicket) {
			ticket.refuse(ReasonCode.QuotaExceeded);
		}
		const suppressed = logLimit.check("retained");
		if (suppressed < 0) return;
		const isFull =
			store.counters.retainedMessages >= settings.max_retained_messages;
		log.resource.warning("too many retained messages, one was not retained", {
			topic,
			retained: store.counters.retainedMessages,
			bytes: store.counters.retainedBytes,
			dropped_since: suppressed + 1,
			raise: isFull ? "max_retained_messages" : "max_retained_bytes",
		});
	}
}

/** What is in the store while the changes of one round are decided, in order. */
class Round {
	readonly #context: SessionContext;
	readonly #sizes: Map<string, number>;
	#messages: number;
	#bytes: number;

	constructor(context: SessionContext, sizes: ReadonlyMap<string, number>) {
		this.#context = context;
		this.#sizes = new Map(sizes);
		const { counters } = context.store;
		this.#messages = counters.retainedMessages;
		this.#bytes = counters.retainedBytes;
	}

	admit({ topic, message }: Change): boolean {
		const { max_retained_messages, max_retained_bytes } =
			this.#context.settings;
		const old = this.#sizes.get(topic);
		const size = message === null ? 0 : sizeOf(message);
		const bytes = this.#bytes - (old ?? 0) + size;
		const isMore = message !== null && old === undefined;
		if (isMore && this.#messages >= max_retained_messages) return false;
		if (size > (old ?? 0) && bytes > max_retained_bytes) return false;
		this.#bytes = bytes;
		if (message === null) {
			if (old !== undefined) this.#messages--;
			this.#sizes.delete(topic);
		} else {
			if (isMore) this.#messages++;
			this.#sizes.set(topic, size);
		}
		return true;
	}
}

/** As the store counts them. */
function sizeOf(message: ApplicationMessage): number {
	return Buffer.byteLength(message.topic) + bodyLength(message);
}
