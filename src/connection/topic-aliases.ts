/**
 * Topic aliases of one network connection, both ways. They never outlive it
 * [MQTT-3.3.2-7]. Bounded by the maxima agreed on in CONNECT and CONNACK.
 */
import type { ByteBudget } from "../platform/byte-budget.ts";
import { ProtocolError } from "../protocol/protocol-error.ts";
import { ReasonCode } from "../protocol/reason-codes.ts";

/** A place in the map, beside the topic. */
const ALIAS_BYTES = 80;

/** Aliases that the client set. */
export class InboundAliases {
	readonly #maximum: number;
	readonly #topics = new Map<number, string>();
	readonly #budget: ByteBudget | null;

	/** @param budget charged for the topics */
	constructor(maximum: number, budget: ByteBudget | null = null) {
		this.#maximum = maximum;
		this.#budget = budget;
	}

	/** The connection is gone. */
	clear(): void {
		for (const topic of this.#topics.values()) {
			this.#budget?.release(ALIAS_BYTES + topic.length);
		}
		this.#topics.clear();
	}

	/**
	 * The topic name of a PUBLISH with an alias.
	 * @param topic as in the packet; empty: the alias stands for it
	 * @throws ProtocolError TopicAliasInvalid
	 */
	resolve(alias: number, topic: string): string {
		if (alias > this.#maximum) {
			throw new ProtocolError(
				ReasonCode.TopicAliasInvalid,
				`topic alias ${alias} is above the maximum of ${this.#maximum}`,
			); // [MQTT-3.3.2-9] [MQTT-3.2.2-17]
		}
		if (topic !== "") {
			this.#charge(this.#topics.get(alias), topic);
			this.#topics.set(alias, topic); // [MQTT-3.3.2-12]
			return topic;
		}
		const known = this.#topics.get(alias);
		if (known === undefined) {
			throw new ProtocolError(
				ReasonCode.ProtocolError,
				`topic alias ${alias} was never set on this connection`,
			);
		}
		return known;
	}

	#charge(old: string | undefined, topic: string): void {
		if (old === undefined) this.#budget?.charge(ALIAS_BYTES + topic.length);
		else this.#budget?.charge(topic.length - old.length);
	}
}

/**
 * Aliases that we set: the first topics that come along get them, for good. A house's
 * topics are few and come again and again; nothing has to be thrown out and told anew.
 */
export class OutboundAliases {
	readonly #maximum: number;
	readonly #aliases = new Map<string, number>();
	/** The topic of the last {@link aliasFor} has been told before. */
	isKnown = false;

	/** @param maximum what the client takes, capped by our own limit [MQTT-3.1.2-26] [MQTT-3.3.2-11] */
	constructor(maximum: number) {
		this.#maximum = maximum;
	}

	/** The alias of a topic; 0 when it has none and there is no room for one. */
	aliasFor(topic: string): number {
		const known = this.#aliases.get(topic);
		this.isKnown = known !== undefined;
		if (known !== undefined) return known;
		if (this.#aliases.size >= this.#maximum) return 0;
		const alias = this.#aliases.size + 1; // [MQTT-3.3.2-8]
		this.#aliases.set(topic, alias);
		return alias;
	}

	/** The packet that was to tell the alias was not sent. */
	forget(topic: string): void {
		if (!this.isKnown) this.#aliases.delete(topic);
	}
}
