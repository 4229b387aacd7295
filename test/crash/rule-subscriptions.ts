/**
 * Which messages a subscriber has to get, and which it may not get: from SUBACK on all that
 * is sent, after UNSUBACK nothing that is sent later, after a clean start nothing at all.
 * Counts the streams `flow/...` only: retained messages and wills have rules of their own.
 */
import type { Event } from "./events.ts";
import type { Arrivals } from "./rule-arrivals.ts";
import type { World } from "./world.ts";

type Phase = "none" | "asked" | "sure" | "leaving" | "gone";

interface Subscription {
	phase: Phase;
	/** Last number of each topic when SUBACK or UNSUBACK came. */
	since: Map<string, number>;
	/** Numbers that have to arrive: above `from`, up to `to`. */
	owed: { topic: string; from: number; to: number }[];
}

const STREAMS = "flow/";
const FILTER = "flow/#";

export class Subscriptions {
	readonly #world: World;
	readonly #arrivals: Arrivals;
	readonly #all = new Map<string, Subscription>();

	constructor(world: World, arrivals: Arrivals) {
		this.#world = world;
		this.#arrivals = arrivals;
	}

	see(event: Event): void {
		const { who } = event;
		switch (event.did) {
			case "connect":
				if (event.clean) this.#end(who, "leaving");
				break;
			case "connack":
				// That it is present nevertheless is for another rule to say.
				if (!event.present) this.#end(who, "none");
				break;
			case "subscribe":
				if (event.filter === FILTER) this.#ask(who);
				break;
			case "subscribed":
				if (event.filter === FILTER) this.#begin(who);
				break;
			case "unsubscribe":
				if (event.filter === FILTER) this.#leave(who);
				break;
			case "unsubscribed":
				if (event.filter === FILTER) this.#gone(who);
				break;
			case "got":
				if (event.topic.startsWith(STREAMS)) this.#check(event);
				break;
			default:
		}
	}

	/** Numbers above this one have to arrive; Infinity when none has to. */
	sureFrom(who: string, topic: string): number {
		const { phase, since } = this.#of(who);
		const isStream = topic.startsWith(STREAMS);
		if (phase !== "sure" || !isStream) return Number.POSITIVE_INFINITY;
		return since.get(topic) ?? 0;
	}

	/** Everything that was sent and acknowledged has to be there by now. */
	finish(): void {
		for (const who of this.#all.keys()) {
			if (!this.#world.cameBack(who)) continue;
			this.#close(who);
			for (const owed of this.#of(who).owed) this.#checkOwed(who, owed);
		}
	}

	#checkOwed(who: string, { topic, from, to }: Subscription["owed"][0]): void {
		const { acknowledgedAt } = this.#world.topic(topic);
		const lost: number[] = [];
		for (let number = from + 1; number <= to; number++) {
			if (this.#arrivals.has(who, topic, number)) continue;
			if ((acknowledgedAt[number] ?? 0) >= this.#world.lostFromMs) continue;
			lost.push(number);
		}
		if (lost.length === 0) return;
		this.#world.violation(
			`${who}: lost ${lost.length} of ${topic}: ${lost.slice(0, 10).join(" ")}`,
		);
	}

	#ask(who: string): void {
		const subscription = this.#of(who);
		if (subscription.phase !== "sure") subscription.phase = "asked";
	}

	#begin(who: string): void {
		const subscription = this.#of(who);
		if (subscription.phase === "sure") return;
		subscription.phase = "sure";
		subscription.since = this.#lastNumbers();
	}

	#leave(who: string): void {
		this.#close(who);
		this.#of(who).phase = "leaving";
	}

	#gone(who: string): void {
		const subscription = this.#of(who);
		subscription.phase = "gone";
		subscription.since = this.#lastNumbers();
	}

	/** What is acknowledged by now was routed while the subscription was there. */
	#close(who: string): void {
		const { phase, since, owed } = this.#of(who);
		if (phase !== "sure") return;
		for (const [topic, { acknowledged }] of this.#world.topics) {
			if (!topic.startsWith(STREAMS)) continue;
			owed.push({ topic, from: since.get(topic) ?? 0, to: acknowledged });
		}
	}

	/** The session's state is discarded, and its queue with it. */
	#end(who: string, phase: Phase): void {
		const subscription = this.#all.get(who);
		if (subscription === undefined) return;
		subscription.phase = phase;
		subscription.owed = [];
	}

	#check({ who, topic, number }: Event & { did: "got" }): void {
		const { phase, since } = this.#of(who);
		const { sent } = this.#world.topic(topic);
		const what = `${who}: ${topic} ${number}`;
		if (number > sent || number < 1)
			this.#world.violation(`${what} came, and was never sent`);
		if (phase === "none")
			this.#world.violation(`${what} came to a session without subscriptions`);
		if (phase === "gone" && number > (since.get(topic) ?? 0))
			this.#world.violation(`${what} came, and was sent after UNSUBACK`);
	}

	#lastNumbers(): Map<string, number> {
		const numbers = new Map<string, number>();
		for (const [topic, { sent }] of this.#world.topics)
			numbers.set(topic, sent);
		return numbers;
	}

	#of(who: string): Subscription {
		let subscription = this.#all.get(who);
		if (subscription === undefined) {
			subscription = { phase: "none", since: new Map(), owed: [] };
			this.#all.set(who, subscription);
		}
		return subscription;
	}
}
