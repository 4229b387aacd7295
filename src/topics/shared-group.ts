/**
 * The members of one shared subscription and the choice of who gets a message.
 *
 * Whatever the policy, the choice falls among the best members there are: online ones
 * that can take a message, then offline ones that can, then those whose queue is full
 * (the message is dropped there, where drops are counted and explained). // [VD082]
 * Owner of the state: the group; main thread only; a pick allocates nothing.
 */

/** `prefer_local` and `local_only` are `random`: there is one node. // [VD081] */
export type SharedPolicy =
	| "random"
	| "round_robin"
	| "least_inflight"
	| "sticky"
	| "prefer_local"
	| "local_only";

/** What a group has to know of a member. */
export interface MemberView<M> {
	isOnline(member: M): boolean;
	/** Messages sent to it and not acknowledged. */
	inflight(member: M): number;
	/** False when its queue is full. */
	canTake(member: M): boolean;
}

/** Members are better the lower: online, offline, full and online, full and offline. */
const BEST = 0;
const WORST = 4;
/** Blind guesses before the members are counted: nearly always the first one is good. */
const GUESSES = 3;

/** One `$share/{name}/{filter}`. // [MQTT-4.8.2-1] */
export class SharedGroup<M> {
	readonly name: string;
	/** The filter without `$share/{name}/`. */
	readonly filter: string;
	readonly #members: M[] = [];
	/** Where the next round-robin pick begins. */
	#cursor = 0;
	#sticky: M | null = null;

	constructor(name: string, filter: string) {
		this.name = name;
		this.filter = filter;
	}

	/** In the order they joined; the group's own list, not a copy. */
	get members(): readonly M[] {
		return this.#members;
	}

	get isEmpty(): boolean {
		return this.#members.length === 0;
	}

	/** Adds a member, compared by identity; no change when it is one already. */
	add(member: M): void {
		if (!this.#members.includes(member)) this.#members.push(member);
	}

	/** @returns false when it was no member */
	remove(member: M): boolean {
		const index = this.#members.indexOf(member);
		if (index === -1) return false;
		this.#members.splice(index, 1);
		if (index < this.#cursor) this.#cursor--;
		if (this.#sticky === member) this.#sticky = null;
		return true;
	}

	/**
	 * Chooses the member that gets the next message.
	 * @param random as `Math.random`
	 * @returns null only when the group is empty; a member that cannot take it only when none can
	 */
	pick(
		policy: SharedPolicy,
		view: MemberView<M>,
		random: () => number = Math.random,
	): M | null {
		if (this.#members.length === 0) return null;
		switch (policy) {
			case "round_robin":
				return this.#pickInTurn(view, false);
			case "least_inflight":
				return this.#pickInTurn(view, true);
			case "sticky":
				return this.#pickSticky(view, random);
			default:
				return this.#pickRandom(view, random);
		}
	}

	/** The next best member after the last one; with `leastInflight` the idlest of the best. */
	#pickInTurn(view: MemberView<M>, leastInflight: boolean): M | null {
		const members = this.#members;
		let chosen = -1;
		let chosenRank = WORST;
		let chosenInflight = Infinity;
		for (let step = 0; step < members.length; step++) {
			const index = (this.#cursor + step) % members.length;
			const member = members[index] as M;
			const rank = rankOf(member, view);
			if (rank > chosenRank) continue;
			const inflight = leastInflight ? view.inflight(member) : 0;
			if (rank === chosenRank && inflight >= chosenInflight) continue;
			chosen = index;
			chosenRank = rank;
			chosenInflight = inflight;
			if (rank === BEST && inflight === 0) break;
		}
		if (chosen === -1) return null;
		this.#cursor = chosen + 1;
		return members[chosen] ?? null;
	}

	/** Uniform among the best members. */
	#pickRandom(view: MemberView<M>, random: () => number): M | null {
		const members = this.#members;
		for (let guess = 0; guess < GUESSES; guess++) {
			const member = members[indexBelow(members.length, random)] as M;
			if (rankOf(member, view) === BEST) return member;
		}
		let best = WORST;
		let count = 0;
		for (const member of members) {
			const rank = rankOf(member, view);
			if (rank < best) {
				best = rank;
				count = 0;
			}
			if (rank === best) count++;
		}
		let skip = indexBelow(count, random);
		for (const member of members)
			if (rankOf(member, view) === best && skip-- === 0) return member;
		return null;
	}

	/** The one chosen before, for as long as nobody is in a better state than it. */
	#pickSticky(view: MemberView<M>, random: () => number): M | null {
		const sticky = this.#sticky;
		const rank = sticky === null ? WORST : rankOf(sticky, view);
		if (rank === BEST) return sticky;
		const other = this.#pickRandom(view, random);
		if (other !== null && rankOf(other, view) < rank) this.#sticky = other;
		return this.#sticky;
	}
}

function rankOf<M>(member: M, view: MemberView<M>): number {
	return (view.canTake(member) ? 0 : 2) + (view.isOnline(member) ? 0 : 1);
}

function indexBelow(count: number, random: () => number): number {
	return Math.min(Math.floor(random() * count), count - 1);
}
