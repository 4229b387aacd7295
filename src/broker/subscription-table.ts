/**
 * All subscriptions of all sessions, and the routes that follow from them. A route is
 * what a topic name leads to; routes are remembered in a bounded cache until any
 * subscription changes.
 *
 * Each subscription is an entry of a tree (numbers outside V8's heap). Those of sessions
 * in memory are objects as well; those of sleeping sessions are entries alone, chained
 * to each other. Shared subscriptions keep their sessions in memory.
 */
import type { ByteBudget } from "../platform/byte-budget.ts";
import type { QoS } from "../protocol/constants.ts";
import { parseShared } from "../protocol/topic.ts";
import { RetainedReplay } from "../session/retained-replay.ts";
import type { Session } from "../session/session.ts";
import {
	Subscription,
	type SubscriptionOptions,
} from "../session/subscription.ts";
import type { SubscriptionRecord } from "../store/store.ts";
import { packOptions, unpackOptions } from "../store/subscription-options.ts";
import { MatchCache } from "../topics/match-cache.ts";
import type { SharedGroup } from "../topics/shared-group.ts";
import { TopicTree } from "../topics/topic-tree.ts";
import { SharedGroups } from "./shared-groups.ts";

/** Who gets messages of one topic name. */
export interface Route {
	/** One for each session in memory, overlapping subscriptions merged. */
	readonly subscriptions: readonly Subscription[];
	/** Entries of sleeping sessions; those of one session follow each other. */
	readonly asleep: readonly number[];
	readonly groups: readonly SharedGroup<Subscription>[];
}

/** What an entry of the tree holds for this table: identifier << 4 | packed options. */
const OPTIONS = 0;
/** These two only while its session sleeps: who that is, and its next entry. */
const SLEEPER = 1;
/** Its number << 1 | whether retained messages are still owed ({@link IS_OWED}). */
const NEXT_OF_SLEEPER = 2;
const FIELDS = 3;
/** The client left before it was sent any retained message. */
const IS_OWED = 1;
const OPTION_BITS = 4;

const CACHED_ROUTES = 10_000;
const CACHED_ROUTE_BYTES = 4 * 1024 * 1024;
const NO_ENTRIES: readonly number[] = Object.freeze([]);
/** What an object adds to its entry, by test/bench/memory.ts; a shared one is an object too. */
const OBJECT_BYTES = 150;

export class SubscriptionTable {
	readonly #ordinary = new TopicTree(FIELDS);
	/** By entry: the subscriptions of sessions in memory. */
	readonly #objects = new Map<number, Subscription>();
	readonly #shared = new SharedGroups();
	readonly #routes = new MatchCache<Route>(
		CACHED_ROUTES,
		CACHED_ROUTE_BYTES,
		(topic) => this.#compute(topic),
		({ subscriptions, asleep, groups }) =>
			64 + 8 * (subscriptions.length + asleep.length + groups.length),
	);
	readonly #budget: ByteBudget | null;
	/** Of all shared groups together. */
	#members = 0;
	/** How often a session fell asleep or woke up. */
	#moves = 0;

	/** @param budget charged for all subscriptions */
	constructor(budget: ByteBudget | null = null) {
		this.#budget = budget;
	}

	get size(): number {
		return this.#ordinary.size + this.#members;
	}

	/** What the cache of routes holds. */
	get routeBytes(): number {
		return this.#routes.bytes;
	}

	get sharedGroups(): number {
		return this.#shared.size;
	}

	/** The subscriptions that a topic name leads to, from the cache where possible. */
	route(topic: string): Route {
		return this.#routes.get(
			topic,
			this.#ordinary.version + this.#shared.version + this.#moves,
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
		if (shared === null) {
			subscription.entry = this.#addEntry(filter, options);
			this.#objects.set(subscription.entry, subscription);
		} else {
			this.#shared.add(subscription);
			this.#members++;
		}
		session.subscriptions.set(subscription);
		this.#charge();
		return { subscription, isNew };
	}

	/** @returns false when the session had none with exactly this filter [MQTT-3.10.4-1] */
	remove(session: Session, filter: string): boolean {
		const subscription = session.subscriptions.get(filter);
		if (subscription === undefined) return false;
		session.subscriptions.delete(filter);
		if (subscription.sharedGroup === null) {
			this.#objects.delete(subscription.entry);
			this.#ordinary.remove(subscription.entry);
		} else {
			this.#shared.remove(subscription);
			this.#members--;
		}
		this.#charge();
		return true;
	}

	removeAll(session: Session): void {
		for (const { filter } of session.subscriptions.values()) {
			this.remove(session, filter);
		}
	}

	/** The members of `$share/group/filter`; undefined when there are none. */
	groupOf(filter: string): SharedGroup<Subscription> | undefined {
		return this.#shared.get(filter);
	}

	/**
	 * The session goes to sleep as `sleeper`: its subscriptions are entries alone.
	 * @returns the first of them, 0 for none; -1 when it has to stay in memory
	 */
	sleep(session: Session, sleeper: number): number {
		const subscriptions = session.subscriptions.values();
		if (subscriptions.some(({ sharedGroup }) => sharedGroup !== null)) {
			return -1;
		}
		let first = 0;
		for (const { entry, filter } of subscriptions.toReversed()) {
			const isOwed = session.unfinishedReplays?.has(filter) === true;
			this.#objects.delete(entry);
			this.#chain(entry, sleeper, (first << 1) | (isOwed ? IS_OWED : 0));
			first = entry;
		}
		this.#charge();
		if (first !== 0) this.#moves++;
		return first;
	}

	/** What {@link sleep} did, undone. */
	wake(session: Session, first: number): void {
		for (let entry = first; entry !== 0; ) {
			const filter = this.#ordinary.filterOf(entry);
			const subscription = this.#object(session, filter, entry);
			this.#objects.set(entry, subscription);
			session.subscriptions.set(subscription);
			const link = this.#ordinary.get(entry, NEXT_OF_SLEEPER);
			this.#chain(entry, 0, 0);
			entry = link >> 1;
			if ((link & IS_OWED) === 0) continue;
			session.unfinishedReplays ??= new Map();
			session.unfinishedReplays.set(
				filter,
				new RetainedReplay(subscription, session.context.store),
			);
		}
		this.#charge();
		if (first !== 0) this.#moves++;
	}

	/** Subscriptions, none shared, of a session that sleeps from the start. @returns as {@link sleep} */
	restoreAsleep(
		sleeper: number,
		records: readonly SubscriptionRecord[],
	): number {
		let first = 0;
		for (const record of records.toReversed()) {
			const entry = this.#addEntry(record.filter, record);
			this.#chain(entry, sleeper, first << 1);
			first = entry;
		}
		this.#charge();
		return first;
	}

	/** Whose entry of {@link Route.asleep} this is. */
	sleeperOf(entry: number): number {
		return this.#ordinary.get(entry, SLEEPER);
	}

	qosOf(entry: number): QoS {
		return unpackOptions(this.#ordinary.get(entry, OPTIONS)).qos;
	}

	/** Entries of one sleeping session as a route has them, merged; its filter is left out. */
	merged(session: Session, entries: readonly number[]): Subscription {
		return Subscription.merge(
			entries.map((entry) => this.#object(session, "", entry)),
		);
	}

	#object(session: Session, filter: string, entry: number): Subscription {
		const packed = this.#ordinary.get(entry, OPTIONS);
		const identifier = packed >>> OPTION_BITS;
		const options = { ...unpackOptions(packed), identifier };
		const made = new Subscription(session, filter, filter, null, options);
		made.entry = entry;
		return made;
	}

	#addEntry(filter: string, options: SubscriptionOptions): number {
		const entry = this.#ordinary.add(filter);
		const packed = (options.identifier << OPTION_BITS) | packOptions(options);
		this.#ordinary.set(entry, OPTIONS, packed);
		return entry;
	}

	#charge(): void {
		const isEmpty = this.size === 0;
		const objects = this.#objects.size + this.#members;
		const bytes =
			this.#ordinary.bytes + this.#shared.bytes + OBJECT_BYTES * objects;
		this.#budget?.setTo(isEmpty ? 0 : bytes);
	}

	#chain(entry: number, sleeper: number, link: number): void {
		this.#ordinary.set(entry, SLEEPER, sleeper);
		this.#ordinary.set(entry, NEXT_OF_SLEEPER, link);
	}

	#compute(topic: string): Route {
		const entries: number[] = [];
		this.#ordinary.match(topic, entries);
		const inMemory: Subscription[] = [];
		const asleep: number[] = [];
		for (const entry of entries) {
			const subscription = this.#objects.get(entry);
			if (subscription === undefined) asleep.push(entry);
			else inMemory.push(subscription);
		}
		return {
			subscriptions: mergeBySession(inMemory),
			asleep: asleep.length === 0 ? NO_ENTRIES : this.#bySleeper(asleep),
			groups: this.#shared.match(topic),
		};
	}

	#bySleeper(entries: readonly number[]): readonly number[] {
		return entries.toSorted((a, b) => this.sleeperOf(a) - this.sleeperOf(b));
	}
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
