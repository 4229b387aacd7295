/**
 * All subscriptions of all sessions, and the routes that follow from them. A route is
 * what a topic name leads to; routes are remembered in a bounded cache until any
 * subscription changes.
 */
import type { ByteBudget } from "../platform/byte-budget.ts";
import { parseShared } from "../protocol/topic.ts";
import type { Session } from "../session/session.ts";
import {
	Subscription,
	type SubscriptionOptions,
} from "../session/subscription.ts";
import { MatchCache } from "../topics/match-cache.ts";
import { SharedGroup } from "../topics/shared-group.ts";
import { TopicTree } from "../topics/topic-tree.ts";

/** Who gets messages of one topic name. */
export interface Route {
	/** One entry per session, overlapping subscriptions merged. */
	readonly subscriptions: readonly Subscription[];
	readonly groups: readonly SharedGroup<Subscription>[];
}

const CACHED_ROUTES = 10_000;
const CACHED_ROUTE_BYTES = 4 * 1024 * 1024;
const NO_GROUPS: readonly SharedGroup<Subscription>[] = Object.freeze([]);

export class SubscriptionTable {
	readonly #ordinary = new TopicTree<Subscription>();
	readonly #shared = new TopicTree<SharedGroup<Subscription>>();
	readonly #groups = new Map<string, SharedGroup<Subscription>>();
	readonly #routes = new MatchCache<Route>(
		CACHED_ROUTES,
		CACHED_ROUTE_BYTES,
		(topic) => this.#compute(topic),
		(route) => 64 + 8 * (route.subscriptions.length + route.groups.length),
	);
	readonly #budget: ByteBudget | null;
	#size = 0;

	/** @param budget charged for all subscriptions */
	constructor(budget: ByteBudget | null = null) {
		this.#budget = budget;
	}

	get size(): number {
		return this.#size;
	}

	/** What the cache of routes holds. */
	get routeBytes(): number {
		return this.#routes.bytes;
	}

	get sharedGroups(): number {
		return this.#groups.size;
	}

	/** The subscriptions that a topic name leads to, from the cache where possible. */
	route(topic: string): Route {
		return this.#routes.get(
			topic,
			this.#ordinary.version + this.#shared.version,
		);
	}

	/**
	 * Adds a subscription or replaces the one with the same filter [MQTT-3.8.4-3].
	 * The filter has been checked.
	 */
	add(
		session: Session,
		filter: string,
		options: SubscriptionOptions,
	): { subscription: Subscription; isNew: boolean } {
		const isNew = !this.remove(session, filter);
		const shared = parseShared(filter);
		const subscription = new Subscription(
			session,
			filter,
			shared === null ? filter : shared.filter,
			shared === null ? null : shared.group,
			options,
		);
		if (shared === null) this.#ordinary.add(filter, subscription);
		else this.#group(filter, shared.group, shared.filter).add(subscription);
		session.subscriptions.set(subscription);
		this.#size++;
		this.#budget?.charge(subscriptionBytes(filter));
		return { subscription, isNew };
	}

	/** @returns false when the session had none with exactly this filter [MQTT-3.10.4-1] */
	remove(session: Session, filter: string): boolean {
		const subscription = session.subscriptions.get(filter);
		if (subscription === undefined) return false;
		session.subscriptions.delete(filter);
		this.#size--;
		this.#budget?.release(subscriptionBytes(filter));
		if (subscription.sharedGroup === null) {
			this.#ordinary.remove(filter, subscription);
			return true;
		}
		const group = this.#groups.get(filter);
		group?.remove(subscription);
		if (group?.isEmpty === true) {
			this.#groups.delete(filter);
			this.#shared.remove(group.filter, group);
		}
		return true;
	}

	removeAll(session: Session): void {
		for (const { filter } of session.subscriptions.values()) {
			this.remove(session, filter);
		}
	}

	/** The members of `$share/group/filter`; undefined when there are none. */
	groupOf(filter: string): SharedGroup<Subscription> | undefined {
		return this.#groups.get(filter);
	}

	#group(
		filter: string,
		name: string,
		plainFilter: string,
	): SharedGroup<Subscription> {
		const existing = this.#groups.get(filter);
		if (existing !== undefined) return existing;
		const group = new SharedGroup<Subscription>(name, plainFilter);
		this.#groups.set(filter, group);
		this.#shared.add(plainFilter, group);
		return group;
	}

	#compute(topic: string): Route {
		const matched: Subscription[] = [];
		this.#ordinary.match(topic, matched);
		const groups: SharedGroup<Subscription>[] = [];
		if (this.#shared.size > 0) this.#shared.match(topic, groups);
		return {
			subscriptions: mergeBySession(matched),
			groups: groups.length === 0 ? NO_GROUPS : groups,
		};
	}
}

/** With a node of the tree for a level of its own (test/bench/memory.ts). */
function subscriptionBytes(filter: string): number {
	return 320 + filter.length;
}

function mergeBySession(matched: readonly Subscription[]): Subscription[] {
	const bySession = new Map<Session, Subscription[]>();
	for (const subscription of matched) {
		const list = bySession.get(subscription.session);
		if (list === undefined) bySession.set(subscription.session, [subscription]);
		else list.push(subscription);
	}
	return [...bySession.values()].map((list) => Subscription.merge(list));
}
