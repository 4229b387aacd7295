/**
 * One subscription of one session, in the form in which the router uses it. A client
 * whose subscriptions overlap gets one merged entry in a route, so that it receives
 * one copy with the highest QoS and all identifiers.
 */
import type { QoS } from "../protocol/constants.ts";
import type { Session } from "./session.ts";

const NO_IDENTIFIERS: readonly number[] = Object.freeze([]);

export interface SubscriptionOptions {
	readonly qos: QoS;
	readonly noLocal: boolean;
	readonly retainAsPublished: boolean;
	/** 0 for none. */
	readonly identifier: number;
}

export class Subscription {
	readonly session: Session;
	/** As the client wrote it, `$share/group/` included. */
	readonly filter: string;
	/** The part that topics are matched with. */
	readonly plainFilter: string;
	/** `group` of `$share/group/filter`; null for an ordinary one. */
	readonly sharedGroup: string | null;
	readonly qos: QoS;
	readonly noLocal: boolean;
	readonly retainAsPublished: boolean;
	readonly identifiers: readonly number[];
	/** Where the table of subscriptions has it. */
	entry = 0;
	/** What the session's own messages use instead when `noLocal` is set; null: nothing. */
	localVariant: Subscription | null = null;

	constructor(
		session: Session,
		filter: string,
		plainFilter: string,
		sharedGroup: string | null,
		options: SubscriptionOptions,
	) {
		this.session = session;
		this.filter = filter;
		this.plainFilter = plainFilter;
		this.sharedGroup = sharedGroup;
		this.qos = options.qos;
		this.noLocal = options.noLocal;
		this.retainAsPublished = options.retainAsPublished;
		this.identifiers =
			options.identifier === 0 ? NO_IDENTIFIERS : [options.identifier];
	}

	/** One entry for all matching subscriptions of a session [MQTT-3.3.4-2] [MQTT-3.3.4-4]. */
	static merge(list: readonly Subscription[]): Subscription {
		const [first] = list;
		if (first === undefined) throw new Error("nothing to merge");
		if (list.length === 1) return first;
		const foreign = Subscription.#combine(first, list);
		if (list.some((each) => each.noLocal)) {
			const local = list.filter((each) => !each.noLocal);
			foreign.localVariant =
				local.length === 0 ? null : Subscription.#combine(first, local);
		}
		return foreign;
	}

	static #combine(
		first: Subscription,
		list: readonly Subscription[],
	): Subscription {
		let qos: QoS = 0;
		for (const each of list) if (each.qos > qos) qos = each.qos; // [v3.1.1 MQTT-3.3.5-1]
		const merged = new Subscription(
			first.session,
			first.filter,
			first.plainFilter,
			null,
			{
				qos,
				noLocal: list.some((each) => each.noLocal),
				retainAsPublished: list.some((each) => each.retainAsPublished),
				identifier: 0,
			},
		);
		const identifiers = list.flatMap((each) => each.identifiers); // [MQTT-3.3.4-3] [MQTT-3.3.4-5]
		(merged as { identifiers: readonly number[] }).identifiers = identifiers;
		return merged;
	}
}
