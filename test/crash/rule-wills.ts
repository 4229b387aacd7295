/**
 * Wills: of a connection that was lost, by its client or by a broker that was killed, the
 * will arrives, once; of one that ended with DISCONNECT, or that came back in time, it never
 * does. Each connection's will has a number of its own.
 */
import type { Event } from "./events.ts";
import type { Arrivals } from "./rule-arrivals.ts";
import type { World } from "./world.ts";

type Fate = "fires" | "never" | "unknown";

interface Testament {
	number: number;
	delayMs: number;
	/** Its CONNACK has come: it is on disk. */
	isKnown: boolean;
	goneAt: number;
	politely: boolean;
}

const FILTER = "will/#";
/** How much earlier and later than asked for, in ms, a will may be published. */
const EARLY_MS = 500;
const LATE_MS = 2000;

export class Wills {
	readonly #world: World;
	readonly #arrivals: Arrivals;
	/** The will of the last connection, by client. */
	readonly #last = new Map<string, Testament>();
	/** When the CONNECT that waits for its CONNACK was sent. */
	readonly #returnAt = new Map<string, number>();
	readonly #fates = new Map<string, { number: number; fate: Fate }[]>();
	/** Subscribers, and the wills there were when they had their SUBACK. */
	readonly #watchers = new Set<string>();

	constructor(world: World, arrivals: Arrivals) {
		this.#world = world;
		this.#arrivals = arrivals;
	}

	see(event: Event): void {
		const { who, at } = event;
		switch (event.did) {
			case "connect":
				this.#returnAt.set(who, at);
				if (event.will !== null) this.#begin(who, event);
				break;
			case "connack":
				this.#known(who, at);
				break;
			case "gone": {
				const testament = this.#last.get(who);
				if (testament === undefined) break;
				testament.goneAt = at;
				testament.politely = event.politely;
				break;
			}
			case "subscribed":
				if (event.filter === FILTER) this.#watchers.add(who);
				break;
			default:
		}
	}

	/** @param isComplete all that was due has been waited for */
	finish(): void {
		for (const [who, testament] of this.#last)
			this.#settle(who, testament, null);
		for (const [who, fates] of this.#fates)
			for (const { number, fate } of fates) this.#checkFate(who, number, fate);
	}

	#checkFate(who: string, number: number, fate: Fate): void {
		for (const watcher of this.#watchers) {
			const hasIt = this.#arrivals.has(watcher, `will/${who}`, number);
			if (fate === "fires" && !hasIt)
				this.#world.violation(
					`${watcher}: will ${number} of ${who} never came`,
				);
			if (fate === "never" && hasIt)
				this.#world.violation(
					`${watcher}: will ${number} of ${who} came, and had been discarded`,
				);
		}
	}

	#begin(who: string, { will, at }: Event & { did: "connect" }): void {
		if (will === null) return;
		const before = this.#last.get(who);
		if (before !== undefined) this.#pending.set(who, { testament: before, at });
		this.#last.set(who, {
			number: will.number,
			delayMs: will.delaySeconds * 1000,
			isKnown: false,
			goneAt: Number.POSITIVE_INFINITY,
			politely: false,
		});
	}

	readonly #pending = new Map<string, { testament: Testament; at: number }>();

	#known(who: string, at: number): void {
		const testament = this.#last.get(who);
		if (testament !== undefined) testament.isKnown = true;
		const pending = this.#pending.get(who);
		this.#pending.delete(who);
		if (pending !== undefined)
			this.#settle(who, pending.testament, {
				connectAt: pending.at,
				connackAt: at,
			});
	}

	/** @param back when its client came back; null when it did not */
	#settle(
		who: string,
		testament: Testament,
		back: { connectAt: number; connackAt: number } | null,
	): void {
		const fates = this.#fates.get(who) ?? [];
		fates.push({
			number: testament.number,
			fate: this.#fateOf(testament, back),
		});
		this.#fates.set(who, fates);
	}

	#fateOf(
		{ isKnown, goneAt, politely, delayMs }: Testament,
		back: { connectAt: number; connackAt: number } | null,
	): Fate {
		const world = this.#world;
		if (goneAt === Number.POSITIVE_INFINITY) return "unknown";
		if (!isKnown || goneAt >= world.lostFromMs) return "unknown";
		if (politely) {
			if (back === null) return "unknown";
			const wasKilled = world.wasKilledBetween(goneAt, back.connackAt);
			return wasKilled ? "unknown" : "never";
		}
		if (delayMs === 0 || back === null) return "fires";
		if (back.connackAt - goneAt < delayMs - EARLY_MS) return "never";
		const start = world.startedAt.find((startAt) => startAt > goneAt);
		const countedFrom = Math.max(goneAt, start ?? 0);
		const isLate = back.connectAt - countedFrom > delayMs + LATE_MS;
		return isLate ? "fires" : "unknown";
	}
}
